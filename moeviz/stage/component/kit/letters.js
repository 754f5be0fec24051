// An expert's letter on a picture: dark, with a white edge, so that it is read on every ground.

import { INK } from './palette.js';

const LETTER_FONT = 'bold 24px "Source Sans", "Source Sans Pro", Arial, sans-serif';
const SPRITE = 40; // pixels: room for a letter and its white edge
const sprites = new Map(); // an outlined letter takes long to draw, a copy of it does not

/** @type {(context: Pen, text: string, x: number, y: number) => void} */
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
