// Experts in rows: the share of each domain and class that an expert serves, and the pictures that its gate likes most.

import { percent, setText } from './numbers.js';
import { background, letter } from './palette.js';
import { drawPatches, SIDE } from './patches.js';

const PIXELS = SIDE * SIDE;
const SIZE = 44; // pixels of a picture

export class Serves {
  constructor(host, { classes, groups }) {
    Object.assign(this, { host, names: [...groups, ...classes], key: '' });
  }

  draw(header, arrays) {
    const { ids: [ids], route_by: [level] } = header;
    const [groups, classes] = [arrays.group_share, arrays.class_share].map((each) => [each.of(0), each.shape.at(-1)]);
    const [likes, probs] = [arrays.liked_pixels.of(0), arrays.liked_prob.of(0)];
    const shown = arrays.liked_prob.shape.at(-1);
    if (this.key !== [...ids, level].join()) this.build(ids, level, shown, [...ids, level].join());
    ids.forEach((_, expert) => {
      const row = this.rows[expert];
      const values = [groups, classes].flatMap(([data, wide]) => [...data.subarray(expert * wide, (expert + 1) * wide)]);
      values.forEach((value, column) => {
        const cell = row.cells[column];
        setText(cell, value < 0.005 ? '' : percent(value));
        cell.style.setProperty('--mv-share', value.toFixed(2));
      });
      row.pictures.forEach((canvas, at) => {
        const place = expert * shown + at;
        drawPatches(canvas, SIZE, likes.subarray(place * PIXELS, (place + 1) * PIXELS), null, ids);
        canvas.title = `gate probability ${probs[place].toFixed(2)}`;
      });
      row.host.setAttribute('aria-label', `probabilities ${[...probs.subarray(expert * shown, (expert + 1) * shown)].map((each) => each.toFixed(2)).join(', ')}`);
    });
  }

  build(ids, level, shown, key) {
    this.key = key;
    const what = level === 'input' ? 'pictures' : 'patches';
    const head = [`% of ${what}`, ...this.names, 'likes most'];
    this.host.innerHTML = `<thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody></tbody>`;
    this.rows = ids.map((id) => {
      const row = this.host.tBodies[0].insertRow();
      const name = document.createElement('th');
      name.scope = 'row';
      name.innerHTML = `<i style="background: ${background(id)}"></i>${letter(id)}`;
      row.append(name);
      const cells = this.names.map(() => row.insertCell());
      const host = row.insertCell();
      host.className = 'mv-likes';
      host.setAttribute('role', 'img');
      const pictures = Array.from({ length: shown }, () => document.createElement('canvas'));
      host.append(...pictures);
      return { cells, host, pictures };
    });
  }
}
