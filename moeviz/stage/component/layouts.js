// The stage's layouts: of each the class that draws it, and the skeleton that it fills (of so many runs).

import { Journey } from './journey.js';
import { journey } from './journeyparts.js';
import { Lab } from './lab.js';
import { lab } from './labparts.js';
import { Language } from './language.js';
import { language } from './languageparts.js';
import { Methods } from './methods.js';
import { methods } from './methodsparts.js';
import { Pairs } from './pairs.js';
import { pairs } from './pairsparts.js';
import { Playground } from './playground.js';
import { playground } from './playgroundparts.js';
import { Routers } from './routers.js';
import { routers } from './routersparts.js';
import { Twins } from './twins.js';
import { twins } from './twinsparts.js';
import { Vision } from './vision.js';
import { vision } from './visionparts.js';

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
