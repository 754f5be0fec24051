// A ground of flat regions with dark borders, redrawn only where a cell changed, and the places of the names in them.

import { letterPlaces, Regions } from './regions.js';
import { INK, PATTERNS, pixel } from '../kit/palette.js';

const FINE = 1.3; // pixels of the screen to a fine one; a border is two of these wide
const MAX_SCALE = 10; // fine pixels per cell: more costs time and shows nothing new
const MIN_DEPTH = 1.2; // cells: a name in a thinner sliver would hide it

export class RegionLayer {
  // `cells`: a number per cell, row by row; `paints`: for each number its color, its stripes' color and their pattern (see paintOf).
  draw(context, surface, cells, paints) {
    const size = Math.sqrt(cells.length);
    const scale = Math.min(Math.max(Math.round(surface.width / size / FINE), 2), MAX_SCALE);
    const key = [
      size,
      scale,
      ...paints.map(({ color, stripe, pattern }) => color + stripe + PATTERNS.indexOf(pattern)),
    ].join();
    if (key !== this.key) {
      this.key = key;
      this.painter = new Regions(size, scale);
      this.bitmap = new OffscreenCanvas(size * scale, size * scale);
      this.image = new ImageData(size * scale, size * scale);
      this.places = null;
    }
    if (this.painter.winner === null || cells.some((each, cell) => each !== this.painter.winner[cell])) {
      this.painter.smooth(cells);
      const colors = Uint32Array.from(paints, ({ color }) => pixel(color));
      const stripes = Uint32Array.from(paints, ({ stripe }) => (stripe ? pixel(stripe) : 0));
      this.painter.paint(
        colors,
        stripes,
        paints.map(({ pattern }) => pattern),
        pixel(INK),
        new Uint32Array(this.image.data.buffer),
      );
      this.bitmap.getContext('2d').putImageData(this.image, 0, 0);
      this.places = letterPlaces(cells, size, this.places);
    }
    context.drawImage(this.bitmap, 0, 0, surface.width, surface.height);
  }

  // Calls `name(number, x, y)` for each region that is wide enough to be named.
  named(surface, name) {
    const { size } = this.painter;
    for (const [number, { cell, depth }] of this.places) {
      if (depth < MIN_DEPTH) continue;
      name(
        number,
        (((cell % size) + 0.5) / size) * surface.width,
        ((Math.floor(cell / size) + 0.5) / size) * surface.height,
      );
    }
  }
}
