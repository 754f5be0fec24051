// Formulas as MathML, which browsers draw and screen readers read by themselves; made of numbers and letters only.

/** @type {(text: string) => string} */
export const mi = (name) => `<mi>${name}</mi>`;
/** @type {(text: string) => string} */
export const mn = (text) => `<mn>${text.replace('<', '&lt;')}</mn>`;
/** @type {(text: string) => string} */
export const mo = (sign) => `<mo>${sign}</mo>`;
/** @type {(text: string) => string} */
export const text = (words) => `<mtext>${words}</mtext>`;
/** @type {(...parts: string[]) => string} */
export const row = (...parts) => `<mrow>${parts.join('')}</mrow>`;
/** @type {(base: string, index: string) => string} */
export const sub = (base, index) => `<msub>${base}${index}</msub>`;
/** @type {(base: string, exponent: string) => string} */
export const sup = (base, exponent) => `<msup>${base}${exponent}</msup>`;
/** @type {(above: string, below: string) => string} */
export const frac = (above, below) => `<mfrac>${above}${below}</mfrac>`;
/** @type {(text: string) => string} */
export const sum = (under) => `<munder><mo movablelimits="false">∑</mo>${under}</munder>`;
export const open = '<mo stretchy="false">(</mo>'; // around what may break between lines
export const close = '<mo stretchy="false">)</mo>';
/** @type {(...parts: string[]) => string} */
export const fenced = (...parts) => row(mo('('), ...parts, mo(')'));
export const minus = '−';

// A number as a factor or a term: negative ones in parentheses.
/** @type {(text: string) => string} */
export const factor = (printed) => (printed.startsWith(minus) ? fenced(mn(printed)) : mn(printed));

// Parts with a sign between them.
/** @type {(parts: string[], sign: string) => string[]} */
export const joined = (parts, sign) => parts.flatMap((part, index) => (index ? [mo(sign), part] : [part]));

// One piece of a formula; long ones are several, so that they may break between lines.
/** @type {(...parts: string[]) => string} */
export const math = (...parts) => `<math>${row(...parts)}</math>`;

// A sum in pieces: each term but the first brings its own plus.
/** @type {(terms: string[]) => string[]} */
export function pieces(terms) {
  return terms.map((term, index) => (index ? math('<mo form="infix">+</mo>', term) : math(term)));
}

// Words between formulas, which break like any text.
/** @type {(text: string) => string} */
export const words = (plainText) => `<span>${plainText}</span>`;
