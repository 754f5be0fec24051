// Colors, letters and marker shapes by expert id and class; the same as moeviz/figures/palette.py, which a test compares.

export const HUES = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#F0E442', '#7F7F7F'];
// Drawn across a hue from the ninth expert on: white on dark hues, ink on light ones.
export const STRIPES = ['#FFFFFF', '#111111', '#FFFFFF', '#111111', '#111111', '#FFFFFF', '#111111', '#FFFFFF'];
// How, for each eight experts: plain, then stripes whose way across is turned by so many degrees (as in CSS), in so many of eight
// pixels. So no two of 64 experts are drawn alike.
export const PATTERNS = [
  null,
  { turn: 135, wide: 2 },
  { turn: 45, wide: 2 },
  { turn: 90, wide: 2 },
  { turn: 0, wide: 2 },
  { turn: 135, wide: 4 },
  { turn: 45, wide: 4 },
  { turn: 90, wide: 4 },
];
const PERIOD = 8; // pixels
// The same for what has no room for them: a square before a letter, and lines.
export const SQUARES = ['■', '▨', '▧', '▥', '▤', '▩', '▦', '◧'];
const LINES = [[], [12, 4], [6, 4], [12, 4, 3, 4], [3, 3], [20, 4], [20, 4, 3, 4], [20, 4, 3, 4, 3, 4]];
export const INK = '#111111';
// Class c is this marker, filled white when c is even and black when it is odd.
export const CLASS_SYMBOLS = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'triangle-down',
  'cross',
  'pentagon',
  'star',
  'hexagon',
  'x',
];

// Run r of a figure: dashes for lines three wide (plotly's solid, dash, dot, dashdot, longdash, longdashdot), and a shade.
export const DASHES = ['', '9 9', '3 3', '9 3 3 3', '15 15', '15 6 3 6'];
export const SHADES = [1, 1, 1, 0.62, 0.62, 0.62];

// A to Z, then AA, AB, …: an expert's name for as long as it lives.
/** @type {(id: number) => string} */
export function letter(id) {
  let name = '';
  for (let rest = id; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    name = String.fromCharCode(65 + (rest % 26)) + name;
  }
  return name;
}

/** @type {(id: number) => string} */
export const hue = (id) => HUES[id % HUES.length];
const group = (id) => Math.floor(id / HUES.length) % PATTERNS.length;

// What a region of this expert is filled with: its hue and, if it has any, its stripes and their color.
/** @type {(id: number) => { color: string, stripe: string, pattern: Pattern | null }} */
export const paintOf = (id) => ({
  color: hue(id),
  stripe: group(id) ? STRIPES[id % STRIPES.length] : '',
  pattern: PATTERNS[group(id)],
});

/** @type {(id: number) => string} */
export const square = (id) => SQUARES[group(id)];
/** @type {(id: number) => number[]} */
export const dashes = (id) => LINES[group(id)];

// How far a place is along the way across the stripes.
/** @type {(pattern: Pick<Pattern, 'turn'>, x: number, y: number) => number} */
export const across = ({ turn }, x, y) => ({ 0: y, 45: x - y, 90: x, 135: x + y })[turn];

// Whether a pixel is of a stripe, in a picture whose stripes come again every `period` pixels.
/** @type {(pattern: Pattern, x: number, y: number, period?: number) => boolean} */
export function onStripe(pattern, x, y, period = PERIOD) {
  const along = across(pattern, x, y);
  return (((along % period) + period) % period) * PERIOD < pattern.wide * period;
}

// A CSS background image in the expert's color; stripes as a hard-edged gradient.
/** @type {(id: number) => string} */
export function background(id) {
  const { color, stripe, pattern } = paintOf(id);
  if (!pattern) return `linear-gradient(${color}, ${color})`;
  const from = PERIOD - pattern.wide;
  return `repeating-linear-gradient(${pattern.turn}deg, ${color} 0 ${from}px, ${stripe} ${from}px ${PERIOD}px)`;
}

// The same as a canvas fill.
/** @type {(context: Pen, id: number) => string | CanvasPattern} */
export function fillStyle(context, id) {
  const { color, stripe, pattern } = paintOf(id);
  if (!pattern) return color;
  const tile = new OffscreenCanvas(PERIOD, PERIOD);
  const pen = tile.getContext('2d');
  pen.fillStyle = color;
  pen.fillRect(0, 0, PERIOD, PERIOD);
  pen.strokeStyle = stripe;
  pen.lineWidth = pattern.wide * (pattern.turn % 90 ? 0.8 : 1); // slanting lines stand nearer to each other
  for (const shift of [-PERIOD, 0, PERIOD]) {
    pen.beginPath();
    for (const [x, y] of ends(pattern.turn, shift)) pen.lineTo(x, y);
    pen.stroke();
  }
  return context.createPattern(tile, 'repeat');
}

// A line from one side of a tile to the other, a little beyond both.
function ends(turn, shift) {
  const middle = PERIOD / 2 + shift;
  return {
    0: [
      [-1, middle],
      [PERIOD + 1, middle],
    ],
    90: [
      [middle, -1],
      [middle, PERIOD + 1],
    ],
    45: [
      [shift - 1, -1],
      [shift + PERIOD + 1, PERIOD + 1],
    ],
    135: [
      [shift - 1, PERIOD + 1],
      [shift + PERIOD + 1, -1],
    ],
  }[turn];
}

// A color as a little-endian RGBA word, for writing pixels.
/** @type {(color: string) => number} */
export function pixel(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// Outlines of radius 1 around the origin, as SVG path data: for the canvas and for the legend alike.
function polygon(corners, turn = 0, inner = 1) {
  const points = [];
  for (let index = 0; index < corners; index += 1) {
    const radius = index % 2 === 1 ? inner : 1;
    const angle = turn - Math.PI / 2 + (2 * Math.PI * index) / corners;
    points.push(`${(radius * Math.cos(angle)).toFixed(3)} ${(radius * Math.sin(angle)).toFixed(3)}`);
  }
  return `M${points.join('L')}Z`;
}
const CROSS = 'M-.36 -1H.36V-.36H1V.36H.36V1H-.36V.36H-1V-.36H-.36Z';
const X = 'M-.9 -.55L-.55 -.9L0 -.35L.55 -.9L.9 -.55L.35 0L.9 .55L.55 .9L0 .35L-.55 .9L-.9 .55L-.35 0Z';
const OUTLINES = {
  circle: 'M-.9 0A.9 .9 0 1 1 .9 0A.9 .9 0 1 1 -.9 0Z',
  square: 'M-.8 -.8H.8V.8H-.8Z',
  'triangle-up': polygon(3),
  diamond: polygon(4),
  'triangle-down': polygon(3, Math.PI),
  cross: CROSS,
  pentagon: polygon(5),
  star: polygon(10, 0, 0.45),
  hexagon: polygon(6),
  x: X,
};
/** @type {(classIndex: number) => string} */
export const outline = (classIndex) => OUTLINES[CLASS_SYMBOLS[classIndex % CLASS_SYMBOLS.length]];
/** @type {(classIndex: number) => string} */
export const classFill = (classIndex) => (classIndex % 2 === 0 ? '#FFFFFF' : INK);
