import assert from 'node:assert/strict';
import test from 'node:test';
import { factor, joined, mi, mn, pieces } from '#stage/kit/mathml.js';

test('a number is text, whatever it begins with', () => {
  assert.equal(mn('< 0.01'), '<mn>&lt; 0.01</mn>');
});

test('negative factors stand in parentheses', () => {
  assert.equal(factor('0.50'), '<mn>0.50</mn>');
  assert.match(factor('−0.50'), /^<mrow><mo>\(<\/mo><mn>−0.50<\/mn><mo>\)<\/mo><\/mrow>$/);
});

test('a sum breaks between its terms, and each but the first brings its plus', () => {
  const [first, second] = pieces([mi('a'), mi('b')]);
  assert.equal(first, '<math><mrow><mi>a</mi></mrow></math>');
  assert.equal(second, '<math><mrow><mo form="infix">+</mo><mi>b</mi></mrow></math>');
  assert.deepEqual(joined(['a', 'b', 'c'], '+'), ['a', '<mo>+</mo>', 'b', '<mo>+</mo>', 'c']);
});
