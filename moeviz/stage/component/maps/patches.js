// Pictures of 16 by 16 pixels in 4 by 4 patches: the ink, on the colors of the experts that serve the patches.

import { drawLetter } from '../kit/letters.js';
import { fillStyle, INK, letter } from '../kit/palette.js';

export const SIDE = 16;
const ACROSS = 4; // patches
const INKED = 0.62; // how strong the ink is on colors, which must still be told apart under a dark picture
const dark = parseInt(INK.slice(5, 7), 16);
const scratch = new OffscreenCanvas(SIDE, SIDE);

// One picture: `pixels` are ink × 255. `experts`: who serves each patch (places on the E axis), or null for the picture alone.
/** @type {(canvas: HTMLCanvasElement, size: number, pixels: Values, experts: number[] | NumberArray | null, ids: number[], letters?: boolean) => void} */
export function drawPatches(canvas, size, pixels, experts, ids, letters = false) {
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(size * ratio)) canvas.width = canvas.height = Math.round(size * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = '#FFFFFF';
  context.fillRect(0, 0, size, size);
  const side = size / ACROSS;
  experts?.forEach((expert, patch) => {
    context.fillStyle = fillStyle(context, ids[expert]);
    context.fillRect((patch % ACROSS) * side, Math.floor(patch / ACROSS) * side, side, side);
  });
  context.imageSmoothingEnabled = false;
  context.globalAlpha = experts ? INKED : 1;
  context.drawImage(inked(pixels), 0, 0, size, size);
  context.globalAlpha = 1;
  if (experts) borders(context, side, experts);
  if (letters) name(context, side, experts, ids);
}

function inked(pixels) {
  const image = new ImageData(SIDE, SIDE);
  const words = new Uint32Array(image.data.buffer);
  pixels.forEach((value, at) => {
    words[at] = ((value << 24) | (dark << 16) | (dark << 8) | dark) >>> 0;
  });
  scratch.getContext('2d').putImageData(image, 0, 0);
  return scratch;
}

// A line wherever another expert takes over.
function borders(context, side, experts) {
  context.fillStyle = INK;
  experts.forEach((expert, patch) => {
    const [x, y] = [(patch % ACROSS) * side, Math.floor(patch / ACROSS) * side];
    if (patch % ACROSS && experts[patch - 1] !== expert) context.fillRect(x - 1, y, 2, side);
    if (patch >= ACROSS && experts[patch - ACROSS] !== expert) context.fillRect(x, y - 1, side, 2);
  });
}

// A letter in every patch, or one for all where one expert has them all.
function name(context, side, experts, ids) {
  if (whole(experts)) {
    drawLetter(context, letter(ids[experts[0]]), side * (ACROSS / 2), side * (ACROSS / 2));
    return;
  }
  experts.forEach((expert, patch) =>
    drawLetter(
      context,
      letter(ids[expert]),
      ((patch % ACROSS) + 0.5) * side,
      (Math.floor(patch / ACROSS) + 0.5) * side,
    ),
  );
}

/** @type {(experts: number[] | NumberArray) => boolean} */
export const whole = (experts) => experts.every((each) => each === experts[0]);
