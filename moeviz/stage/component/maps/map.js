// The map of a task with two inputs: a picture of the gate or of the answer as its ground, the task's tokens on top. Or the
// tokens alone, projected, where there are more inputs.

import { RegionLayer } from './layer.js';
import { drawLetter } from '../kit/letters.js';
import { fillStyle, INK, letter } from '../kit/palette.js';
import { PICTURES } from './pictures.js';
import { drawPoints } from './points.js';
import { apart } from './regions.js';
import { Surface } from '../kit/surface.js';

const BOX = 34; // pixels: side of a letter's box in a projection

/** @implements {RunView} */
export class MapView {
  /** @param {HTMLCanvasElement} canvas @param {() => void} onResize */
  constructor(canvas, onResize) {
    this.surface = new Surface(canvas, () => {
      this.pointsKey = null;
      onResize();
    });
  }

  /** @type {(x: number, y: number) => Point} */
  toPixel = (x, y) => {
    const { width, height } = this.surface;
    return [((x + this.extent) / (2 * this.extent)) * width, ((this.extent - y) / (2 * this.extent)) * height];
  };

  toView = (left, top) => {
    const { width, height } = this.surface;
    return [(left / width) * 2 * this.extent - this.extent, this.extent - (top / height) * 2 * this.extent];
  };

  // Whether everything is here that the picture needs: half a picture would mislead.
  ready(header, arrays, points, picture) {
    if (header.view === 'projection') return Boolean(points?.choice);
    return PICTURES[picture].needs.every((name) => arrays[name]);
  }

  draw(scene) {
    const { header, points, run, theme } = scene;
    this.extent = header.extent;
    if (this.surface.width === 0) return;
    const context = this.surface.begin();
    const projected = header.view === 'projection';
    const picture = PICTURES[scene.picture];
    if (this.pictured !== scene.picture) this.layer = new RegionLayer();
    this.pictured = scene.picture;
    const names = projected ? null : picture.draw({ ...scene, context, surface: this.surface, layer: this.layer });
    this.tiled = !projected && !picture.points;
    if (points && !this.tiled) {
      this.pointsLayer(points, header, run, markOf(header));
      context.drawImage(this.markers, 0, 0, this.surface.width, this.surface.height);
    }
    if (projected && points?.choice) this.lettersAmongPoints(context, points, header, run);
    names?.();
    if (this.tiled) return;
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    context.strokeRect(1, 1, this.surface.width - 2, this.surface.height - 2);
  }

  // Markers move only with the data, or with the choices where those color them.
  pointsLayer(points, header, run, mark) {
    const key = [points.version, mark, mark && points.choiceVersion, header.lo, header.hi, header.ids[run]].join('|');
    if (this.pointsKey === key) return;
    this.pointsKey = key;
    this.markers = this.surface.layer();
    const context = this.surface.begin(this.markers);
    drawPoints(context, points, header, run, this.toPixel, this.surface.width, mark);
  }

  // No map lies behind a projection: each expert's letter stands at the middle of its tokens, or beside what stands there.
  lettersAmongPoints(context, points, header, run) {
    const boxes = header.ids[run].flatMap((id, expert) => {
      const own = [...points.choice.keys()].filter(
        (index) => points.choice[index] === expert && (!points.kept || points.kept[index]),
      );
      if (own.length < 3) return [];
      const middle = (axis) => own.map((index) => points.xy[2 * index + axis]).sort((a, b) => a - b)[own.length >> 1];
      return [{ id, at: this.toPixel(middle(0), middle(1)) }];
    });
    const probe = run === 0 && header.probe ? this.toPixel(header.probe[0], header.probe[1]) : null;
    apart(boxes, BOX, probe, this.surface);
    boxes.forEach(({ id, at: [x, y] }) => {
      context.fillStyle = fillStyle(context, id);
      context.strokeStyle = INK;
      context.lineWidth = 2;
      context.beginPath();
      context.roundRect(x - BOX / 2, y - BOX / 2, BOX, BOX, 6);
      context.fill();
      context.stroke();
      drawLetter(context, letter(id), x, y);
    });
  }

  // Where the probe's ring stands, in pixels of the canvas; nowhere on small maps.
  anchor([x, y]) {
    return this.tiled ? null : this.toPixel(x, y);
  }

  // Where a token is drawn.
  place([x, y]) {
    return this.toPixel(x, y);
  }

  close() {
    this.surface.close();
  }
}

// How markers name their expert: over a map only where the real choice may differ from the preference that the map shows.
function markOf(header) {
  if (header.view === 'projection') return 'fill';
  return header.batch_dependent ? 'outline' : '';
}
