// The app's theme as plain colors for canvas and charts; CSS reads the same variables by itself.

const FALLBACK = { text: '#31333F', background: '#FFFFFF', font: 'sans-serif' };

/** @type {(element: Element) => Theme} */
export function readTheme(element) {
  const style = getComputedStyle(element);
  const read = (name, otherwise) => {
    const value = style.getPropertyValue(name).trim();
    return value && value !== 'unset' ? value : otherwise;
  };
  return {
    text: read('--st-text-color', style.color || FALLBACK.text),
    background: read('--st-background-color', FALLBACK.background),
    size: parseFloat(style.fontSize) || 16,
    font: read('--st-font', style.fontFamily || FALLBACK.font),
  };
}

/** @type {() => boolean} */
export const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
