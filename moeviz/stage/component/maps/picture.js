// One run's canvas: the right kind of view for its task, and a waiting note until the first whole picture.

import { CurveView } from './curve.js';
import { MapView } from './map.js';
import { RowsView } from './rows.js';

const VIEWS = { curve: CurveView, rows: RowsView }; // all others are maps

export class RunPicture {
  /** @param {HTMLCanvasElement} canvas @param {HTMLElement} waiting @param {() => void} onResize */
  constructor(canvas, waiting, onResize) {
    this.canvas = canvas;
    this.waiting = waiting;
    this.onResize = onResize;
    this.forget();
  }

  // Another run is to be shown.
  forget() {
    this.seen = null; // the frame on the canvas
  }

  // Draws if everything is here that the picture needs; the last one stays until then.
  draw(scene) {
    const { header, arrays, points, picture } = scene;
    this.canvas.parentElement.dataset.view = header.view;
    this.choose(VIEWS[header.view] ?? MapView);
    const complete = this.view.ready(header, arrays, points, picture);
    if (complete) {
      this.view.draw(scene);
      this.seen = { header, arrays };
    }
    this.waiting.hidden = this.drawn;
    return complete;
  }

  get drawn() {
    return this.seen !== null;
  }

  choose(Kind) {
    if (this.view instanceof Kind) return;
    this.view?.close();
    this.view = new Kind(this.canvas, this.onResize);
  }

  close() {
    this.view?.close();
  }
}
