// From the router's winner per cell to what is drawn: smooth regions, their borders, and where each letter stands.

import { onStripe } from '../kit/palette.js';

const REACH = 2; // cells to each side that vote
const SPAN = 2 * REACH + 1;
const NEAREST = [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x) => (REACH + y) * SPAN + REACH + x)); // a cell and the eight beside it
const WIDE = 0.9; // standard deviations of a vote's weight, in cells: wide makes smooth borders,
const NARROW = 0.45; // narrow keeps a region that is only one cell wide
// biome-ignore lint/suspicious/noApproximativeNumericConstant: letters stand where they always stood
const DIAGONAL = 1.414; // cells

export class Regions {
  // `size` cells a side, each drawn as `scale` by `scale` fine pixels.
  /** @param {number} size @param {number} scale */
  constructor(size, scale) {
    this.size = size;
    this.scale = scale;
    this.width = size * scale;
    this.winner = null; // what is drawn now
    this.fine = new Uint8Array(this.width ** 2); // winner per fine pixel
    this.stale = new Uint8Array(size ** 2); // cells whose fine pixels must be elected again (2), or only painted again (1)
    this.mixed = new Uint8Array(size ** 2); // cells that a border may cross
    this.fragile = new Uint8Array(size ** 2); // cells that the smooth vote would take from their winner
    this.weights = { wide: voteWeights(scale, WIDE), narrow: voteWeights(scale, NARROW), center: voteWeights(1, WIDE) };
    this.around = new Uint8Array(SPAN ** 2);
    this.sums = new Float32Array(scale * SPAN);
    this.most = new Float32Array(scale ** 2);
    this.left = new Float32Array(scale ** 2);
    this.elected = new Uint8Array(scale ** 2);
  }

  // Winner per fine pixel, by a vote of the cells around it. At every cell's center the router's own answer stands: where the
  // smooth vote would outvote it, the narrow one decides, also in the cells beside it, lest a thin region fall into pieces.
  // So only the way of a border between two centers is drawn by us.
  smooth(winner) {
    const { size, scale, width, fine } = this;
    this.findStale(winner);
    for (let cell = 0; cell < winner.length; cell += 1) {
      if (this.stale[cell] < 2) continue;
      this.mixed[cell] = this.gather(winner, cell) ? 0 : 1;
      this.fragile[cell] = this.mixed[cell] && this.elect(this.weights.center, 1)[0] !== winner[cell] ? 1 : 0;
    }
    for (let cell = 0; cell < winner.length; cell += 1) {
      if (this.stale[cell] < 2) continue;
      const column = cell % size;
      const start = (cell - column) * scale * scale + column * scale;
      if (this.mixed[cell]) {
        this.gather(this.fragile, cell);
        const thin = NEAREST.some((index) => this.around[index]);
        this.gather(winner, cell);
        this.elect(thin ? this.weights.narrow : this.weights.wide, scale);
      }
      for (let y = 0, pixel = 0; y < scale; y += 1) {
        const from = start + y * width;
        for (let at = from; at < from + scale; at += 1, pixel += 1)
          fine[at] = this.mixed[cell] ? this.elected[pixel] : winner[cell];
      }
    }
    this.winner = winner.slice();
  }

  // A cell's pixels depend on the cells that vote, and on which of its neighbors are fragile; its colors on the next pixels too.
  findStale(winner) {
    const { size, stale } = this;
    if (!this.winner) {
      stale.fill(2);
      return;
    }
    stale.fill(0);
    for (let cell = 0; cell < winner.length; cell += 1) {
      if (winner[cell] === this.winner[cell]) continue;
      const column = cell % size;
      const row = (cell - column) / size;
      for (let y = Math.max(row - REACH - 2, 0); y <= Math.min(row + REACH + 2, size - 1); y += 1) {
        for (let x = Math.max(column - REACH - 2, 0); x <= Math.min(column + REACH + 2, size - 1); x += 1) {
          if (Math.max(Math.abs(y - row), Math.abs(x - column)) <= REACH + 1) stale[y * size + x] = 2;
          else stale[y * size + x] ||= 1;
        }
      }
    }
  }

  // Fills `around` with a cell's neighborhood; true when the nearest eight agree with it (those farther cannot outvote them).
  gather(values, cell) {
    const { size, around } = this;
    const column = cell % size;
    const row = (cell - column) / size;
    for (let y = -REACH, index = 0; y <= REACH; y += 1) {
      const line = Math.min(Math.max(row + y, 0), size - 1) * size;
      for (let x = -REACH; x <= REACH; x += 1, index += 1) {
        around[index] = values[line + Math.min(Math.max(column + x, 0), size - 1)];
      }
    }
    for (const index of NEAREST) if (around[index] !== values[cell]) return false;
    return true;
  }

  // One election per fine pixel of a cell: votes are summed along x first, then along y. The last candidate gets the votes left.
  elect({ votes, totals }, scale) {
    const { around, sums, most, left, elected } = this;
    const candidates = [];
    for (let index = 0; index < around.length; index += 1)
      if (!candidates.includes(around[index])) candidates.push(around[index]);
    const last = candidates.pop();
    left.set(totals);
    most.fill(0);
    for (const candidate of candidates) {
      for (let y = 0; y < SPAN; y += 1) {
        for (let x = 0; x < scale; x += 1) sums[y * scale + x] = 0;
        for (let cell = 0; cell < SPAN; cell += 1) {
          if (around[y * SPAN + cell] !== candidate) continue;
          for (let x = 0; x < scale; x += 1) sums[y * scale + x] += votes[cell * scale + x];
        }
      }
      for (let y = 0, pixel = 0; y < scale; y += 1) {
        for (let x = 0; x < scale; x += 1, pixel += 1) {
          let sum = 0;
          for (let cell = 0; cell < SPAN; cell += 1) sum += votes[cell * scale + y] * sums[cell * scale + x];
          left[pixel] -= sum;
          if (sum > most[pixel]) {
            most[pixel] = sum;
            elected[pixel] = candidate;
          }
        }
      }
    }
    for (let pixel = 0; pixel < scale * scale; pixel += 1) if (left[pixel] > most[pixel]) elected[pixel] = last;
    return elected;
  }

  // Colors of the fine pixels that changed, with a border two of them wide. `patterns[expert]` is null for plain colors.
  paint(colors, stripes, patterns, border, pixels) {
    const { size, scale, width, fine, mixed } = this;
    for (let cell = 0; cell < mixed.length; cell += 1) {
      if (!this.stale[cell]) continue;
      const start = (cell - (cell % size)) * scale * scale + (cell % size) * scale;
      const expert = fine[start];
      for (let y = 0; y < scale; y += 1) {
        const from = start + y * width;
        const plain = !mixed[cell] && !patterns[expert];
        for (let at = from; at < from + scale; at += 1)
          pixels[at] = plain ? colors[expert] : this.color(at, colors, stripes, patterns, border);
      }
    }
  }

  color(at, colors, stripes, patterns, border) {
    const { width, fine, scale } = this;
    const here = fine[at];
    const x = at % width;
    const changes =
      (x + 1 < width && fine[at + 1] !== here) ||
      (x > 0 && fine[at - 1] !== here) ||
      (at + width < fine.length && fine[at + width] !== here) ||
      (at >= width && fine[at - width] !== here);
    if (changes) return border;
    return patterns[here] && onStripe(patterns[here], x, (at - x) / width, 2 * scale) ? stripes[here] : colors[here];
  }
}

// The weight of each neighboring cell's vote at each fine pixel along a cell, and the sum of all votes at each of its pixels.
function voteWeights(scale, deviation) {
  const along = Array.from({ length: scale }, (_, pixel) => (pixel + 0.5) / scale - 0.5);
  const weight = (cell, at) => Math.exp(-0.5 * ((cell - REACH - at) / deviation) ** 2);
  const votes = Float32Array.from({ length: SPAN * scale }, (_, index) =>
    weight(Math.floor(index / scale), along[index % scale]),
  );
  const sums = along.map((_, pixel) =>
    votes.reduce((sum, vote, index) => (index % scale === pixel ? sum + vote : sum), 0),
  );
  return {
    votes,
    totals: Float32Array.from(
      { length: scale ** 2 },
      (_, index) => sums[index % scale] * sums[Math.floor(index / scale)],
    ),
  };
}

// For each expert with a region: the cell farthest from any border, and how far that is (in cells). A letter stays where it
// was as long as that place is nearly as good, so that letters do not dance while the borders move.
/** @type {(winner: Values, size: number, previous?: Map<number, LetterPlace>) => Map<number, LetterPlace>} */
export function letterPlaces(winner, size, previous) {
  const depth = depths(winner, size);
  const best = new Map();
  for (let cell = 0; cell < winner.length; cell += 1) {
    const deepest = best.get(winner[cell]);
    if (deepest === undefined || depth[cell] > depth[deepest]) best.set(winner[cell], cell);
  }
  for (const [expert, cell] of best) {
    const before = previous?.get(expert)?.cell;
    const stays = before !== undefined && winner[before] === expert && depth[before] >= 0.7 * depth[cell];
    const place = stays ? before : cell;
    best.set(expert, { cell: place, depth: depth[place] });
  }
  return best;
}

// Steps to the nearest border, the picture's edge being one: two sweeps over the grid.
function depths(winner, size) {
  const depth = new Float32Array(size * size);
  const relax = (cell, x, y, dx, dy, cost) => {
    const inside = x + dx >= 0 && x + dx < size && y + dy >= 0 && y + dy < size;
    const other = cell + dy * size + dx;
    const bound = inside && winner[other] === winner[cell] ? depth[other] + cost : 0.5 * cost;
    if (bound < depth[cell]) depth[cell] = bound;
  };
  depth.fill(size);
  for (const sweep of [1, -1]) {
    for (let step = 0; step < depth.length; step += 1) {
      const cell = sweep === 1 ? step : depth.length - 1 - step;
      const x = cell % size;
      const y = (cell - x) / size;
      relax(cell, x, y, -sweep, 0, 1);
      relax(cell, x, y, 0, -sweep, 1);
      relax(cell, x, y, -sweep, -sweep, DIAGONAL);
      relax(cell, x, y, sweep, -sweep, DIAGONAL);
    }
  }
  return depth;
}

const ROUNDS = 24; // of pushing: enough for sixteen boxes
const RING = 24; // pixels from the probe to its ring's edge

// Moves boxes of one size apart until none covers another or the probe's ring, each as little as it can be.
/** @type {(boxes: { at: number[] }[], side: number, probe: number[] | null, picture: { width: number, height: number }) => void} */
export function apart(boxes, side, probe, { width, height }) {
  const bound = (value, end) => Math.min(Math.max(value, side / 2 + 2), end - side / 2 - 2);
  const push = (at, from, room, share) => {
    const gap = [at[0] - from[0], at[1] - from[1]];
    const axis = Math.abs(gap[0]) > Math.abs(gap[1]) ? 0 : 1;
    const missing = room - Math.abs(gap[axis]);
    if (missing > 0) at[axis] += (gap[axis] < 0 ? -1 : 1) * share * missing;
    return missing > 0;
  };
  for (let round = 0, moved = true; moved && round < ROUNDS; round += 1) {
    moved = false;
    boxes.forEach(({ at }, index) => {
      for (const other of boxes.slice(index + 1)) {
        const from = [...at];
        moved = push(at, other.at, side + 3, 0.5) || moved;
        push(other.at, from, side + 3, 0.5);
      }
      if (probe) moved = push(at, probe, side / 2 + RING, 1) || moved;
      at[0] = bound(at[0], width);
      at[1] = bound(at[1], height);
    });
  }
}
