// Tables with a row for each expert: what stands in them, and how dark a cell is that holds a share.

import { percent, roundedShares, setText } from './numbers.js';
import { background, letter } from './palette.js';

// Gives a table a row for each expert and these columns, unless it has them; returns the rows, each with its cells behind its name.
/** @type {(table: HTMLTableElement, ids: number[], columns: string[], corner?: string) => HTMLTableCellElement[][]} */
export function expertRows(table, ids, columns, corner = '') {
  const key = [ids, columns, corner].join('|');
  if (table.dataset.key !== key) {
    table.dataset.key = key;
    const head = [corner, ...columns].map((name) => (name ? `<th scope="col">${name}</th>` : '<td></td>')).join('');
    const cells = '<td></td>'.repeat(columns.length);
    const rows = ids
      .map((id) => `<tr><th scope="row"><i style="background:${background(id)}"></i>${letter(id)}</th>${cells}</tr>`)
      .join('');
    table.innerHTML = `<thead><tr>${head}</tr></thead><tbody>${rows}</tbody>`;
  }
  return [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1));
}

// Writes shares, which stand row by row, into the first cells of each row, so that a column adds up as it is shown;
// `none` is what stands for those that come to 0.
/** @type {(rows: HTMLTableCellElement[][], shares: Values, none?: string) => void} */
export function fillShares(rows, shares, none = '0') {
  const count = shares.length / rows.length;
  for (let column = 0; column < count; column += 1) {
    const values = rows.map((_, row) => shares[row * count + column]);
    const shown = roundedShares(values);
    rows.forEach((cells, row) => {
      const cell = cells[column];
      setText(cell, shown[row] === 0 ? none : percent(shown[row]));
      cell.style.setProperty('--mv-share', (values[row] || 0).toFixed(3)); // no shade where it is unknown
      cell.classList.toggle('mv-most', values[row] > 0.5);
    });
  }
}
