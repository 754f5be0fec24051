// Experts in rows: the share of each domain and class that an expert serves, and the pictures that its gate likes most.

import { expertRows, fillShares } from '../../kit/expertrows.js';
import { fixed } from '../../kit/numbers.js';
import { drawPatches, SIDE } from '../../maps/patches.js';

const PIXELS = SIDE * SIDE;
const SIZE = 44; // pixels of a picture

export class Serves {
  /** @param {HTMLTableElement} host @param {PageData['names']} names */
  constructor(host, { classes, groups }) {
    this.host = host;
    this.groups = groups.length;
    this.names = [...groups, ...classes];
  }

  draw(header, arrays) {
    const {
      ids: [ids],
      route_by: [level],
    } = header;
    const [likes, probs] = [arrays.liked_pixels.of(0), arrays.liked_prob.of(0)];
    const shown = arrays.liked_prob.shape.at(-1);
    const rows = expertRows(
      this.host,
      ids,
      [...this.names, 'likes most'],
      `% of ${level === 'input' ? 'pictures' : 'patches'}`,
    );
    // so many columns are read more easily without their zeros
    fillShares(
      rows.map((cells) => cells.slice(0, this.groups)),
      arrays.group_share.of(0),
      '',
    );
    fillShares(
      rows.map((cells) => cells.slice(this.groups, -1)),
      arrays.class_share.of(0),
      '',
    );
    rows.forEach((cells, expert) => {
      const own = [...probs.subarray(expert * shown, (expert + 1) * shown)].map((prob) => fixed(prob, 2));
      liked(cells.at(-1), own).forEach((canvas, at) => {
        const place = expert * shown + at;
        drawPatches(canvas, SIZE, likes.subarray(place * PIXELS, (place + 1) * PIXELS), null, ids);
        canvas.title = `gate probability ${own[at]}`;
      });
    });
  }
}

// The canvases of a cell with pictures, one for each of these probabilities.
function liked(cell, probs) {
  if (!cell.firstChild) {
    cell.className = 'mv-likes';
    cell.setAttribute('role', 'img');
    cell.append(...probs.map(() => document.createElement('canvas')));
  }
  cell.setAttribute('aria-label', `probabilities ${probs.join(', ')}`);
  return [...cell.children];
}
