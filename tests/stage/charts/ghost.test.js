import '../canvas.js';
import assert from 'node:assert/strict';
import test from 'node:test';

const { wrapped } = await import('#stage/charts/ghost.js');
const wide = (text) => text.length;

test('words are wrapped into as few lines as fit', () => {
  assert.deepEqual(wrapped('the run without its changes', wide, 15), ['the run without', 'its changes']);
  assert.deepEqual(wrapped('short', wide, 15), ['short']);
});

test('a word that is wider than a line has one of its own', () => {
  assert.deepEqual(wrapped('a specialization b', wide, 6), ['a', 'specialization', 'b']);
});
