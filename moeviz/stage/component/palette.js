// Colors, letters and marker shapes by expert id and class; the same as moeviz/figures/palette.py, which a test compares.

export const HUES = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#F0E442', '#7F7F7F'];
// Drawn across a hue for the experts I-P: white on dark hues, ink on light ones.
export const STRIPES = ['#FFFFFF', '#111111', '#FFFFFF', '#111111', '#111111', '#FFFFFF', '#111111', '#FFFFFF'];
export const INK = '#111111';
// Class c is this marker, filled white when c is even and black when it is odd.
export const CLASS_SYMBOLS = [
  'circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross', 'pentagon', 'star', 'hexagon', 'x',
];

// Run r of a figure: dashes for lines three wide (plotly's solid, dash, dot, dashdot, longdash, longdashdot), and a shade.
export const DASHES = ['', '9 9', '3 3', '9 3 3 3', '15 15', '15 6 3 6'];
export const SHADES = [1, 1, 1, 0.62, 0.62, 0.62];

// A to Z, then AA, AB, …: an expert's name for as long as it lives.
export function letter(id) {
  let name = '';
  for (let rest = id; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    name = String.fromCharCode(65 + (rest % 26)) + name;
  }
  return name;
}

export const hue = (id) => HUES[id % HUES.length];
export const striped = (id) => Math.floor(id / HUES.length) % 2 === 1;
export const stripe = (id) => STRIPES[id % STRIPES.length];

// A CSS background image in the expert's color; stripes as a hard-edged gradient.
export function background(id) {
  if (!striped(id)) return `linear-gradient(${hue(id)}, ${hue(id)})`;
  return `repeating-linear-gradient(135deg, ${hue(id)} 0 6px, ${stripe(id)} 6px 8px)`;
}

// The same as a canvas fill.
export function fillStyle(context, id) {
  if (!striped(id)) return hue(id);
  const tile = new OffscreenCanvas(8, 8);
  const pen = tile.getContext('2d');
  pen.fillStyle = hue(id);
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = stripe(id);
  pen.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift - 1, 9);
    pen.lineTo(shift + 9, -1);
    pen.stroke();
  }
  return context.createPattern(tile, 'repeat');
}

// A color as a little-endian RGBA word, for writing pixels.
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
  circle: 'M-.9 0A.9 .9 0 1 1 .9 0A.9 .9 0 1 1 -.9 0Z', square: 'M-.8 -.8H.8V.8H-.8Z', 'triangle-up': polygon(3),
  diamond: polygon(4), 'triangle-down': polygon(3, Math.PI), cross: CROSS, pentagon: polygon(5),
  star: polygon(10, 0, 0.45), hexagon: polygon(6), x: X,
};
export const outline = (classIndex) => OUTLINES[CLASS_SYMBOLS[classIndex % CLASS_SYMBOLS.length]];
export const classFill = (classIndex) => (classIndex % 2 === 0 ? '#FFFFFF' : INK);
