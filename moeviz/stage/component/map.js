// The first-choice map: which expert the router picks first at every place, with the task's tokens on top.

import { fillStyle, hue, INK, letter, pixel, stripe, striped } from './palette.js';
import { drawPoints } from './points.js';
import { apart, letterPlaces, Regions } from './regions.js';
import { Surface } from './surface.js';

const FINE = 1.3; // pixels of the screen to a fine one; a border is two of these wide
const MAX_SCALE = 10; // fine pixels per cell: more costs time and shows nothing new
const MIN_DEPTH = 1.2; // cells: a letter in a thinner sliver would hide it
const BOX = 34; // pixels: side of a letter's box in a projection
const LETTER_FONT = 'bold 24px "Source Sans", "Source Sans Pro", Arial, sans-serif';

export class MapView {
  constructor(canvas, onResize) {
    this.surface = new Surface(canvas, () => {
      this.pointsKey = null;
      onResize();
    });
  }

  toPixel = (x, y) => {
    const { width, height } = this.surface;
    return [((x + this.extent) / (2 * this.extent)) * width, ((this.extent - y) / (2 * this.extent)) * height];
  };

  toView = (left, top) => {
    const { width, height } = this.surface;
    return [(left / width) * 2 * this.extent - this.extent, this.extent - (top / height) * 2 * this.extent];
  };

  // Whether everything is here that the picture needs: half a picture would mislead.
  ready(header, arrays, points) {
    return header.view === 'projection' ? Boolean(points?.choice) : Boolean(arrays.winner);
  }

  draw({ header, arrays, points, run, theme }) {
    this.extent = header.extent;
    if (this.surface.width === 0) return;
    const context = this.surface.begin();
    const projected = header.view === 'projection';
    const winner = arrays.winner?.of(run);
    if (!projected && winner) {
      this.regions(winner, header.ids[run], Math.sqrt(winner.length));
      context.drawImage(this.bitmap, 0, 0, this.surface.width, this.surface.height);
    }
    if (points) {
      this.pointsLayer(points, header, run, markOf(header));
      context.drawImage(this.markers, 0, 0, this.surface.width, this.surface.height);
    }
    if (projected && points?.choice) this.lettersAmongPoints(context, points, header, run);
    if (!projected && winner) this.lettersInRegions(context, header.ids[run], Math.sqrt(winner.length));
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    context.strokeRect(1, 1, this.surface.width - 2, this.surface.height - 2);
  }

  // Repaints the regions only where a winner changed.
  regions(winner, ids, size) {
    const key = ids.join();
    const scale = Math.min(Math.max(Math.round(this.surface.width / size / FINE), 2), MAX_SCALE);
    if (this.painter?.scale !== scale || this.painter.size !== size || this.idsKey !== key) {
      this.painter = new Regions(size, scale);
      this.bitmap = new OffscreenCanvas(size * scale, size * scale);
      this.image = new ImageData(size * scale, size * scale);
      this.places = null;
      this.idsKey = key;
    } else if (winner.every((each, cell) => each === this.painter.winner[cell])) return;
    this.painter.smooth(winner);
    const colors = Uint32Array.from(ids, (id) => pixel(hue(id)));
    const stripes = Uint32Array.from(ids, (id) => (striped(id) ? pixel(stripe(id)) : 0));
    this.painter.paint(colors, stripes, pixel(INK), new Uint32Array(this.image.data.buffer));
    this.bitmap.getContext('2d').putImageData(this.image, 0, 0);
    this.places = letterPlaces(winner, size, this.places);
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

  lettersInRegions(context, ids, size) {
    for (const [expert, { cell, depth }] of this.places) {
      if (depth < MIN_DEPTH) continue;
      const x = ((cell % size) + 0.5) / size;
      const y = (Math.floor(cell / size) + 0.5) / size;
      drawLetter(context, letter(ids[expert]), x * this.surface.width, y * this.surface.height);
    }
  }

  // No map lies behind a projection: each expert's letter stands at the middle of its tokens, or beside what stands there.
  lettersAmongPoints(context, points, header, run) {
    const boxes = header.ids[run].flatMap((id, expert) => {
      const own = [...points.choice.keys()].filter((index) => points.choice[index] === expert && (!points.kept || points.kept[index]));
      if (own.length < 3) return [];
      const middle = (axis) => own.map((index) => points.xy[2 * index + axis]).sort((a, b) => a - b)[own.length >> 1];
      return [{ id, at: this.toPixel(middle(0), middle(1)) }];
    });
    const probe = run === 0 && header.probe ? this.toPixel(...header.probe) : null;
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

  // Where the probe's ring stands, in pixels of the canvas.
  anchor([x, y]) {
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

const SPRITE = 40; // pixels: room for a letter and its white edge
const sprites = new Map(); // an outlined letter takes long to draw, a copy of it does not

export function drawLetter(context, text, x, y) {
  const { a: ratio } = context.getTransform();
  const key = [text, ratio, document.fonts.check(LETTER_FONT)].join(); // the font may load later than the first picture
  if (!sprites.has(key)) sprites.set(key, letterSprite(text, ratio));
  const pixels = (at) => Math.round((at - SPRITE / 2) * ratio) / ratio; // between pixels it would blur
  context.drawImage(sprites.get(key), pixels(x), pixels(y), SPRITE, SPRITE);
}

function letterSprite(text, ratio) {
  const sprite = new OffscreenCanvas(Math.ceil(SPRITE * ratio), Math.ceil(SPRITE * ratio));
  const context = sprite.getContext('2d');
  context.scale(ratio, ratio);
  context.font = LETTER_FONT;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  context.lineWidth = 6;
  context.strokeStyle = '#FFFFFF';
  context.strokeText(text, SPRITE / 2, SPRITE / 2 + 1);
  context.fillStyle = INK;
  context.fillText(text, SPRITE / 2, SPRITE / 2 + 1);
  return sprite;
}
