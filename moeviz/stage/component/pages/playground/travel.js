// Slow motion: the next batch's tokens light up on the map, then each travels to the experts that the router chose for it.

import { fillStyle, INK } from '../../kit/palette.js';
import { reducedMotion } from '../../kit/theme.js';

const LIT = 500; // ms that tokens are lit before they leave
const FLIGHT = 900; // ms from the map to an expert
const SPREAD = 250; // ms from the first to the last to leave
const RADIUS = 5;

// Whether the batch is to be seen on its way: not for who wants no motion, nor where no token has a place.
/** @type {(header: Header, view: { place?: unknown, tiled?: boolean }) => boolean} */
export const flies = (header, view) =>
  header.speed === 'slow' && Boolean(view.place) && !view.tiled && !reducedMotion();

export class Travel {
  // `main` holds everything; `canvas` lies over it; the experts are at the bars of `load`.
  /** @param {HTMLElement} main @param {HTMLCanvasElement} canvas @param {HTMLElement} load */
  constructor(main, canvas, load) {
    this.main = main;
    this.canvas = canvas;
    this.load = load;
    this.context = canvas.getContext('2d');
  }

  // A frame with another step brings another batch.
  draw({ header, arrays }, view, map) {
    if (!arrays.batch_xy || !flies(header, view)) return this.stop();
    const key = [header.data_version, header.step, header.revision].join();
    if (key === this.key) return undefined;
    this.key = key;
    this.moves = this.plan(header, arrays, view, map);
    this.began = performance.now();
    this.pending ??= requestAnimationFrame(() => this.move());
    return undefined;
  }

  plan(header, arrays, view, map) {
    const box = this.main.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(box.width * ratio), height: Math.round(box.height * ratio) });
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.size = box;
    const corner = map.getBoundingClientRect();
    const bars = [...this.load.querySelectorAll('.mv-track')].map((track) => {
      const { left, width, bottom } = track.getBoundingClientRect();
      return [left + width / 2 - box.left, bottom - box.top];
    });
    const {
      ids: [ids],
    } = header;
    const paints = ids.map((id) => fillStyle(this.context, id));
    const xy = arrays.batch_xy.of(0);
    const [chosen, kept] = [arrays.batch_chosen.of(0), arrays.batch_kept.of(0)];
    const moves = [];
    for (let token = 0; token < xy.length / 2; token += 1) {
      const place = view.place([xy[2 * token], xy[2 * token + 1]]);
      const from = [corner.left - box.left + place[0], corner.top - box.top + place[1]];
      for (let expert = 0; expert < ids.length; expert += 1) {
        const at = token * ids.length + expert;
        if (chosen[at] && bars[expert])
          moves.push({ from, to: bars[expert], paint: paints[expert], kept: kept[at], after: Math.random() * SPREAD });
      }
    }
    return moves;
  }

  move() {
    this.pending = null;
    const passed = performance.now() - this.began;
    const { context } = this;
    context.clearRect(0, 0, this.size.width, this.size.height);
    if (!this.moves || passed > LIT + SPREAD + FLIGHT) return;
    context.strokeStyle = INK;
    for (const { from, to, paint, kept, after } of this.moves) {
      const share = Math.min(Math.max((passed - LIT - after) / FLIGHT, 0), 1);
      if (share === 1 || (!kept && share > 0)) continue; // arrived; or nobody had a seat for it
      const eased = share * share * (3 - 2 * share);
      const x = from[0] + eased * (to[0] - from[0]);
      const y = from[1] + eased * (to[1] - from[1]) - 60 * Math.sin(Math.PI * eased); // in an arc
      context.beginPath();
      context.arc(x, y, share === 0 ? RADIUS + 2 : RADIUS, 0, 7);
      context.fillStyle = paint;
      context.lineWidth = 2;
      context.fill();
      context.stroke();
    }
    this.pending = requestAnimationFrame(() => this.move());
  }

  stop() {
    this.key = this.moves = null;
  }

  close() {
    cancelAnimationFrame(this.pending);
  }
}
