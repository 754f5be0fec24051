// Formulas as MathML, which browsers draw and screen readers read by themselves; made of numbers and letters only.

export const mi = (name) => `<mi>${name}</mi>`;
export const mn = (text) => `<mn>${text.replace('<', '&lt;')}</mn>`;
export const mo = (sign) => `<mo>${sign}</mo>`;
export const text = (words) => `<mtext>${words}</mtext>`;
export const row = (...parts) => `<mrow>${parts.join('')}</mrow>`;
export const sub = (base, index) => `<msub>${base}${index}</msub>`;
export const sup = (base, exponent) => `<msup>${base}${exponent}</msup>`;
export const frac = (above, below) => `<mfrac>${above}${below}</mfrac>`;
export const sum = (under) => `<munder><mo movablelimits="false">∑</mo>${under}</munder>`;
export const open = '<mo stretchy="false">(</mo>'; // around what may break between lines
export const close = '<mo stretchy="false">)</mo>';
export const fenced = (...parts) => row(mo('('), ...parts, mo(')'));
export const minus = '−';

// A number as a factor or a term: negative ones in parentheses.
export const factor = (printed) => (printed.startsWith(minus) ? fenced(mn(printed)) : mn(printed));

// Parts with a sign between them.
export const joined = (parts, sign) => parts.flatMap((part, index) => (index ? [mo(sign), part] : [part]));

// One piece of a formula; long ones are several, so that they may break between lines.
export const math = (...parts) => `<math>${row(...parts)}</math>`;

// A sum in pieces: each term but the first brings its own plus.
export function pieces(terms) {
  return terms.map((term, index) => (index ? math('<mo form="infix">+</mo>', term) : math(term)));
}

// Words between formulas, which break like any text.
export const words = (plainText) => `<span>${plainText}</span>`;
