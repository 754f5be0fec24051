// The stage's layouts: of each the class that draws it, and the skeleton that it fills (of so many runs).

import { Journey } from '../pages/journey/journey.js';
import { journey } from '../pages/journey/skeleton.js';
import { Lab } from '../pages/lab/lab.js';
import { lab } from '../pages/lab/skeleton.js';
import { Language } from '../pages/language/language.js';
import { language } from '../pages/language/skeleton.js';
import { Methods } from '../pages/methods/methods.js';
import { methods } from '../pages/methods/skeleton.js';
import { Pairs } from '../pages/pairs/pairs.js';
import { pairs } from '../pages/pairs/skeleton.js';
import { Playground } from '../pages/playground/playground.js';
import { playground } from '../pages/playground/skeleton.js';
import { Routers } from '../pages/routers/routers.js';
import { routers } from '../pages/routers/skeleton.js';
import { Twins } from '../pages/twins/twins.js';
import { twins } from '../pages/twins/skeleton.js';
import { Vision } from '../pages/vision/vision.js';
import { vision } from '../pages/vision/skeleton.js';

export const LAYOUTS = {
  playground: { Layout: Playground, skeleton: playground }, // one run, and everything about it
  twins: { Layout: Twins, skeleton: twins }, // runs side by side
  journey: { Layout: Journey, skeleton: journey }, // one token’s way from input to loss
  routers: { Layout: Routers, skeleton: routers }, // a few tokens through two routers
  methods: { Layout: Methods, skeleton: methods }, // runs as rows of curves
  lab: { Layout: Lab, skeleton: lab }, // twins, and one question about them at a time
  language: { Layout: Language, skeleton: language }, // text in the colors of its experts
  vision: { Layout: Vision, skeleton: vision }, // pictures, their experts, and a pad to draw on
  pairs: { Layout: Pairs, skeleton: pairs }, // pictures and words
};
