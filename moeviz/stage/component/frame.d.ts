// Made from moeviz/frames by `python -m moeviz.frames`: what a frame says.

interface Header {
  arrays: [name: string, type: 'u1' | 'i2' | 'i4' | 'f4', shape: number[], offset: number][];
  /** of the weights, and so of pictures and probe · steps */
  step: number;
  /** of all metrics, losses and loads, here and in arrays: a run that trains is measured a few times a second · steps */
  measured_step: number;
  /** how many knobs have been turned · a worker plays the run */
  revision: number;
  /** rises when the points must be asked for again · a worker plays the run */
  data_version: number;
  /** what the run group does · a worker plays the run */
  state: 'running' | 'paused' | 'diverged';
  /** how fast it is played · a worker plays the run */
  speed: 'slow' | 'watch' | 'fast';
  /** a sentence: why it has stopped, or what else had to change */
  reason: string | null;
  /** of late; null until measured · 1/s · a worker plays the run */
  steps_per_second: number | null;
  /** trained so far · s */
  seconds: number;
  /** it has paused by itself: nothing changed any more · a worker plays the run */
  settled: boolean;
  /** what is drawn gray, in words · a worker plays the run */
  ghost: string | null;
  /** how tokens reach their experts: masked or gathered; of several shapes by comma */
  dispatch: string;
  /** what the model trains on */
  device: string;
  /** what was changed by hand; many are joined: moeviz.training.settings.bounded */
  marks: Mark[];
  /** what can be wound back to */
  tape: Tape;
  /** pictures that were asked for and that tasks of this view do not have */
  left_out: string[];
  /** where it is; of the view rows: number of the digit, and of its row */
  probe: Point | null;
  /** an expert has only so many seats */
  limited: boolean;
  /** a token's choice depends on its batch: seats are limited, experts choose, tokens are mixed, or a second choice is skipped at random. Maps, curves and the probe then show the preference for a token by itself: nobody queues or is skipped, and where tokens are compared or mixed, it is with the test tokens */
  batch_dependent: boolean;
  /** its name */
  task: string;
  /** classification, regression, retrieval or text */
  kind: string;
  /** how its tokens are shown */
  view: 'map' | 'curve' | 'projection' | 'rows' | 'text' | 'pictures' | 'pairs';
  /** maps and curves show −extent to extent */
  extent: number;
  /** what train_metric and test_metric are */
  metric_name: string;
  /** the value that is shaded least, of regression */
  lo: number;
  /** the value that is shaded most */
  hi: number;
  /** R */
  num_runs: number;
  /** N of the run that has most */
  num_experts: number;
  /** experts beside them that compute every token */
  num_shared: number;
  /** numbers of one answer */
  num_outputs: number;
  /** its own N · [runs] */
  experts: number[];
  /** its name · [runs] */
  router: string[];
  /** its name · [runs] */
  balance_loss: string[];
  /** k · [runs] */
  top_k: number[];
  /** λ · [runs] */
  balance_coef: number[];
  /** what the gate sees · [runs] */
  route_by: ('token' | 'context' | 'input')[];
  /** a token's weights add up to 1 · [runs] */
  renormalized: boolean[];
  /** how weights follow from scores: see moeviz.config.rules · [runs] */
  weights: string[];
  /** who decides · [runs] */
  choice: ('scores' | 'bias' | 'experts' | 'table' | 'nobody')[];
  /** a second choice may be skipped at random in training · [runs] */
  skips: boolean[];
  /** of train tokens · loss · [runs] */
  task_loss: (number | null)[];
  /** of train tokens, not weighted; the mean over layers · loss · [runs] */
  balance_loss_value: (number | null)[];
  /** of train tokens · [runs] */
  train_metric: (number | null)[];
  /** of test tokens, as are all that follow · loss · [runs] */
  test_loss: (number | null)[];
  /** accuracy, or what metric_name says · [runs] */
  test_metric: (number | null)[];
  /** coefficient of variation of the load · [runs, layers?] */
  cv_load: PerRunOrLayer;
  /** match of first choice and true group; null where there is one group, or one expert · share · [runs, layers?] */
  specialization: PerRunOrLayer;
  /** of choices, that found no seat · share · [runs, layers?] */
  dropped_share: PerRunOrLayer;
  /** what a gate that chooses at random drops; null without a limit · share · [runs] */
  random_drop: (number | null)[];
  /** of tokens, without any expert · share · [runs, layers?] */
  unserved_share: PerRunOrLayer;
  /** coefficient of variation of the weights' sums · [runs, layers?] */
  cv_importance: PerRunOrLayer;
  /** norm of the gate's, of the last step; null before the first, and once the run has diverged · [runs, layers?] */
  gate_gradient: PerRunOrLayer;
  /** how far the busiest is above even load, in even loads · [runs, layers?] */
  max_violation: PerRunOrLayer;
  /** of the load; log N = even · nats · [runs, layers?] */
  load_entropy: PerRunOrLayer;
  /** mean over tokens of log Σ exp(logit) (z-loss) · [runs, layers?] */
  logit_size: PerRunOrLayer;
  /** of the network · [runs] */
  num_parameters: number[];
  /** that one token uses · [runs] */
  active_parameters: number[];
  /** operations for one token · [runs] */
  flops: number[];
  /** of late, of a step of all alike by their number; null until timed · s · [runs] */
  step_seconds: (number | null)[];
  /** near which it diverged and since which it stands still · steps · [runs] */
  diverged_at: (number | null)[];
  /** what happened and the remedy, as said after its name · [runs] */
  diverged_why: (string | null)[];
  /** letter A is id 0; places are sorted by id · [runs, experts] */
  ids: number[][];
  /** no test token has chosen it for three measurements on end · [runs, layers?, experts] */
  dead: PerRunOrLayer;
  /** since which it is idle; 0 = never chosen · steps · [runs, layers?, experts] */
  died_at: PerRunOrLayer;
  /** what was done to it by hand · [runs, experts] */
  treated: ('killed' | 'frozen' | null)[][];
}

/** By name; those of a picture are there when it was asked for. */
interface Arrays {
  /** of all choices, by expert · share · [runs, layers?, experts] */
  load: FrameArray<Float32Array>;
  /** mean gate probability over tokens · probability · [runs, layers?, experts] */
  mean_prob: FrameArray<Float32Array>;
  /** sum over tokens of each expert's weights · [runs, layers?, experts] */
  importance: FrameArray<Float32Array>;
  /** norm of each expert's gradient, of the last step; NaN before its first, and once the run has diverged · [runs, layers?, experts] */
  gradient_norm: FrameArray<Float32Array>;
  /** of the steps since it arrived in which an expert had a token; NaN before its first · share · [runs, layers?, experts] */
  update_share: FrameArray<Float32Array>;
  /** the gate's for the token at the probe · probability · [runs, experts] · view map, curve, projection or rows */
  probe_prob?: FrameArray<Float32Array>;
  /** what each expert's output is multiplied by · [runs, experts] · view map, curve, projection or rows */
  probe_weight?: FrameArray<Float32Array>;
  /** 1 = chosen · [runs, experts] · view map, curve, projection or rows */
  probe_chosen?: FrameArray<Uint8Array>;
  /** first choice · expert · [runs, 1] · view map, curve, projection or rows */
  probe_first?: FrameArray<Uint8Array>;
  /** the answer, shared experts included; of the view rows the 16 numbers of the layer inside the block · [runs, outputs] · view map, curve, projection or rows */
  probe_output?: FrameArray<Float32Array>;
  /** what the weights multiply; of the router soft each expert's answer to its own mixture · [runs, experts, outputs] · view map, curve, projection or rows */
  probe_expert_output?: FrameArray<Float32Array>;
  /** of the ghost's choices, in the run's places · share · [runs, layers?, experts] · a ghost is there */
  ghost_load?: FrameArray<Float32Array>;
  /** of ghost_load · steps · [runs, 1] · a ghost is there */
  ghost_load_step?: FrameArray<Float32Array>;
  /** first choice of each cell, in rows from the upper left · expert · [runs, 64, 64] */
  winner?: FrameArray<Uint8Array>;
  /** all chosen experts of each cell · bits · [runs, 64, 64, mask] */
  chosen?: FrameArray<Uint8Array>;
  /** the largest gate probability of each cell · probability × 255 · [runs, 64, 64] */
  confidence?: FrameArray<Uint8Array>;
  /** the answer in each cell · class, or 255·(value − lo) / (hi − lo) · [runs, 64, 64] */
  prediction?: FrameArray<Uint8Array>;
  /** the gate's, for each cell · probability × 255 · [runs, experts, 32, 32] */
  gate?: FrameArray<Uint8Array>;
  /** each expert's own answer, chosen or not · as prediction · [runs, experts, 32, 32] */
  expert_output?: FrameArray<Uint8Array>;
  /** the kept one with the largest weight; none kept: the first choice · expert · [runs, points] */
  point_choice?: FrameArray<Uint8Array>;
  /** 1 = any choice kept · [runs, points] */
  point_kept?: FrameArray<Uint8Array>;
  /** where it is shown · [runs, points, 2] */
  point_xy?: FrameArray<Float32Array>;
  /** what is to be learned · class, or value · [runs, points] */
  point_target?: FrameArray<Uint8Array> | FrameArray<Float32Array>;
  /** 1 = a train token · [runs, points] */
  point_train?: FrameArray<Uint8Array>;
  /** its true group · group · [runs, points] */
  point_segment?: FrameArray<Uint8Array>;
  /** the tokens of the next step, where they are shown · [runs, tokens, 2] */
  batch_xy?: FrameArray<Float32Array>;
  /** 1 = chosen · [runs, tokens, experts] */
  batch_chosen?: FrameArray<Uint8Array>;
  /** 1 = gets it · [runs, tokens, experts] */
  batch_kept?: FrameArray<Uint8Array>;
  /** of each true group's tokens, by first choice; NaN = no such token · share · [runs, layers?, experts, groups] */
  group_share?: FrameArray<Float32Array>;
  /** match with true groups that chance alone gives; NaN where there is one · share · [runs, layers?] */
  group_baseline?: FrameArray<Float32Array>;
  /** the input · [line] */
  curve_x?: FrameArray<Float32Array>;
  /** what is to be learned · [line] */
  curve_target?: FrameArray<Float32Array>;
  /** the answer · [runs, line] */
  curve_prediction?: FrameArray<Float32Array>;
  /** each expert's own answer · [runs, experts, line] */
  curve_expert?: FrameArray<Float32Array>;
  /** the gate's · probability · [runs, experts, line] */
  curve_gate?: FrameArray<Float32Array>;
  /** first choice · expert · [runs, line] */
  curve_winner?: FrameArray<Uint8Array>;
  /** of what is told over time · steps · [steps] */
  history_step?: FrameArray<Float32Array>;
  /** loss of train tokens · [runs, steps] */
  history_task_loss?: FrameArray<Float32Array>;
  /** loss of train tokens, not weighted; the mean over layers · [runs, steps] */
  history_balance_loss?: FrameArray<Float32Array>;
  /** accuracy of train tokens, or what the header's metric_name says · [runs, steps] */
  history_train_metric?: FrameArray<Float32Array>;
  /** of test tokens · [runs, steps] */
  history_test_metric?: FrameArray<Float32Array>;
  /** coefficient of variation of the load · [runs, steps] */
  history_cv_load?: FrameArray<Float32Array>;
  [history_cv_load: `history_cv_load_${number}`]: FrameArray<Float32Array>;
  /** how many experts are dead · [runs, steps] */
  history_dead_experts?: FrameArray<Float32Array>;
  [history_dead_experts: `history_dead_experts_${number}`]: FrameArray<Float32Array>;
  /** match of first choice and true group · [runs, steps] */
  history_specialization?: FrameArray<Float32Array>;
  [history_specialization: `history_specialization_${number}`]: FrameArray<Float32Array>;
  /** λ · [runs, steps] */
  history_balance_coef?: FrameArray<Float32Array>;
  /** share of choices, without a seat · [runs, steps] */
  history_dropped_share?: FrameArray<Float32Array>;
  [history_dropped_share: `history_dropped_share_${number}`]: FrameArray<Float32Array>;
  /** share of choices, chosen at random, without a seat · [runs, steps] */
  history_random_drop?: FrameArray<Float32Array>;
  /** share of tokens, without an expert · [runs, steps] */
  history_unserved_share?: FrameArray<Float32Array>;
  [history_unserved_share: `history_unserved_share_${number}`]: FrameArray<Float32Array>;
  /** of all choices · share · [runs, layers?, ids, steps] */
  history_load?: FrameArray<Float32Array>;
  /** since which an expert was idle each time that it died, also if it came back; 0 = never chosen until then; NaN = it died less often · steps · [runs, layers?, ids, deaths] */
  deaths?: FrameArray<Float32Array>;
  /** of what is told of the ghost over time · steps · [ghost_steps] · a ghost is there */
  ghost_step?: FrameArray<Float32Array>;
  /** loss of train tokens · [runs, ghost_steps] · a ghost is there */
  ghost_task_loss?: FrameArray<Float32Array>;
  /** loss of train tokens, not weighted; the mean over layers · [runs, ghost_steps] · a ghost is there */
  ghost_balance_loss?: FrameArray<Float32Array>;
  /** of test tokens · [runs, ghost_steps] · a ghost is there */
  ghost_test_metric?: FrameArray<Float32Array>;
  /** coefficient of variation of the load · [runs, ghost_steps] · a ghost is there */
  ghost_cv_load?: FrameArray<Float32Array>;
  [ghost_cv_load: `ghost_cv_load_${number}`]: FrameArray<Float32Array>;
  /** how many experts are dead · [runs, ghost_steps] · a ghost is there */
  ghost_dead_experts?: FrameArray<Float32Array>;
  [ghost_dead_experts: `ghost_dead_experts_${number}`]: FrameArray<Float32Array>;
  /** match of first choice and true group · [runs, ghost_steps] · a ghost is there */
  ghost_specialization?: FrameArray<Float32Array>;
  [ghost_specialization: `ghost_specialization_${number}`]: FrameArray<Float32Array>;
  /** the token at the probe · [runs, inputs] */
  journey_x?: FrameArray<Float32Array>;
  /** the gate's columns · [runs, experts, inputs] */
  journey_gate_w?: FrameArray<Float32Array>;
  /** the gate's bias, with what the knob gate_skew adds · [runs, experts] */
  journey_gate_b?: FrameArray<Float32Array>;
  /** the scores; −∞ of a killed expert · [runs, experts] */
  journey_logit?: FrameArray<Float32Array>;
  /** class, or values, of the nearest test token · [runs, answer] */
  journey_target?: FrameArray<Float32Array>;
  /** of that test token · [runs, 1] */
  journey_distance?: FrameArray<Float32Array>;
  /** task loss of the answer · loss · [runs, 1] */
  journey_loss?: FrameArray<Float32Array>;
  /** of that loss, along each logit · [runs, experts] */
  journey_gradient?: FrameArray<Float32Array>;
  /** the shared experts' part of the answer · [runs, outputs] */
  journey_shared?: FrameArray<Float32Array>;
  /** if one expert alone computed it, with weight 1 · [runs, experts, outputs] */
  journey_alone_output?: FrameArray<Float32Array>;
  /** of these answers · loss · [runs, experts] */
  journey_alone_loss?: FrameArray<Float32Array>;
  /** weights under each form · [runs, forms, experts] */
  journey_form_weight?: FrameArray<Float32Array>;
  /** of the loss under each form, along each logit · [runs, forms, experts] */
  journey_form_gradient?: FrameArray<Float32Array>;
  /** the answer under each form · [runs, forms, outputs] */
  journey_form_output?: FrameArray<Float32Array>;
  /** of these answers · loss · [runs, forms] */
  journey_form_loss?: FrameArray<Float32Array>;
  /** of the measured train tokens, as all below · probability · [runs, experts] */
  journey_mean_prob?: FrameArray<Float32Array>;
  /** of choices · share · [runs, experts] */
  journey_batch_load?: FrameArray<Float32Array>;
  /** of first choices · share · [runs, experts] */
  journey_first_share?: FrameArray<Float32Array>;
  /** of weights · [runs, experts] */
  journey_weight_sum?: FrameArray<Float32Array>;
  /** expected number of tokens: see moeviz.losses · [runs, experts] */
  journey_likely_count?: FrameArray<Float32Array>;
  /** not weighted · loss · [runs, 1] */
  journey_balance_loss?: FrameArray<Float32Array>;
  /** of the gate probabilities · nats · [runs, 1] */
  journey_mean_entropy?: FrameArray<Float32Array>;
  /** number of these tokens · [runs, 1] */
  journey_batch_tokens?: FrameArray<Float32Array>;
  /** what is added for the choice alone · [runs, experts] · router deepseek_v3 */
  journey_choice_bias?: FrameArray<Float32Array>;
  /** 1 = in one of the token's best groups · [runs, experts] · router deepseek_v3 */
  journey_allowed?: FrameArray<Float32Array>;
  /** what multiplies the weights · [runs, 1] · router deepseek_v3 */
  journey_route_scale?: FrameArray<Float32Array>;
  /** of the last token taken · probability · [runs, experts] · router expert_choice */
  journey_threshold?: FrameArray<Float32Array>;
  /** the token's id, the table's length, its place there, the expert there · [runs, 4] · router hash */
  journey_table?: FrameArray<Float32Array>;
  /** what each expert computes · [runs, experts, inputs] · router soft */
  journey_mixture?: FrameArray<Float32Array>;
  /** log Σ exp(score) over its mixture · [runs, experts] · router soft */
  journey_mixed_size?: FrameArray<Float32Array>;
  /** the pixels of each digit, row by row · ink × 255 · [runs, digits, 64] */
  row_pixels?: FrameArray<Uint8Array>;
  /** what it is · class · [runs, digits] */
  row_target?: FrameArray<Uint8Array>;
  /** what the model takes it for, in one batch of all measured · class · [runs, digits] */
  row_answer?: FrameArray<Uint8Array>;
  /** who serves each row, as point_choice · expert · [runs, digits, rows] */
  row_expert?: FrameArray<Uint8Array>;
  /** 1 = any choice kept · [runs, digits, rows] */
  row_kept?: FrameArray<Uint8Array>;
  /** weights of the probe's digit · [runs, rows, experts] */
  row_weight?: FrameArray<Float32Array>;
  /** of the first train tokens, as one batch · probability · [runs, tokens, experts] */
  seating_prob?: FrameArray<Float32Array>;
  /** of each expert's output · [runs, tokens, experts] */
  seating_weight?: FrameArray<Float32Array>;
  /** 1 = chosen · [runs, tokens, experts] */
  seating_chosen?: FrameArray<Uint8Array>;
  /** 1 = has a seat · [runs, tokens, experts] */
  seating_kept?: FrameArray<Uint8Array>;
  /** in the expert's queue, from 0; −1 = not chosen, or skipped at random · [runs, tokens, experts] */
  seating_position?: FrameArray<Int16Array>;
  /** seats of an expert; of no limit as many as tokens · [runs, 1] */
  seating_places?: FrameArray<Int32Array>;
  /** of choices · share · [runs, experts] */
  seating_load?: FrameArray<Float32Array>;
  /** sum over tokens of each expert's weights · [runs, experts] */
  seating_importance?: FrameArray<Float32Array>;
  /** each balance loss of this batch, not weighted · loss · [runs, balance_losses] */
  seating_loss?: FrameArray<Float32Array>;
  /** of choices; chosen at random; NaN without a limit · share · [runs, 2] */
  seating_dropped?: FrameArray<Float32Array>;
  /** of tokens · share · [runs, 1] */
  seating_unserved?: FrameArray<Float32Array>;
  /** mean over tokens · probability · [runs, layers?, ids, steps] */
  history_mean_prob?: FrameArray<Float32Array>;
  /** of all weights · share · [runs, layers?, ids, steps] */
  history_importance?: FrameArray<Float32Array>;
  /** of each expert's own answers to test tokens, by its gate probability; NaN where that is 0 for all · loss · [runs, experts] */
  skill_loss?: FrameArray<Float32Array>;
  /** U+FFFD = not in the alphabet · code point · [runs, windows, characters] */
  text_char?: FrameArray<Int32Array>;
  /** of each window · kind · [runs, windows] */
  text_segment?: FrameArray<Uint8Array>;
  /** who serves it, as point_choice · expert · [runs, layers, windows, characters] */
  text_expert?: FrameArray<Uint8Array>;
  /** 1 = any choice kept · [runs, layers, windows, characters] */
  text_kept?: FrameArray<Uint8Array>;
  /** the gate's · probability × 255 · [runs, layers, windows, characters, experts] */
  text_prob?: FrameArray<Uint8Array>;
  /** of each kind of text, by first choice · share · [runs, layers, experts, kinds] */
  text_kind_share?: FrameArray<Float32Array>;
  /** of each class, by first choice · share · [runs, layers, experts, classes] */
  text_class_share?: FrameArray<Float32Array>;
  /** of expert and kind, of expert and class: see metrics · share · [runs, layers, 2] */
  text_match?: FrameArray<Float32Array>;
  /** of neighbors with one first choice; by chance · share · [runs, layers, 2] */
  text_repeat?: FrameArray<Float32Array>;
  /** of choices · share · [runs, layers, experts] */
  text_load?: FrameArray<Float32Array>;
  /** of the unigram, of the bigram · loss · [runs, 2] */
  text_baseline?: FrameArray<Float32Array>;
  /** a prompt, continued by the model · code point · [runs, windows, written] */
  sample_char?: FrameArray<Int32Array>;
  /** characters of the prompt · [runs, 1] */
  sample_prompt?: FrameArray<Int32Array>;
  /** the visitor's text · code point · [runs, typed] */
  own_char?: FrameArray<Int32Array>;
  /** 0 = not in the alphabet · [runs, typed] */
  own_known?: FrameArray<Uint8Array>;
  /** first choice · expert · [runs, layers, typed] */
  own_expert?: FrameArray<Uint8Array>;
  /** the gate's · probability × 255 · [runs, layers, typed, experts] */
  own_prob?: FrameArray<Uint8Array>;
  /** the pictures · red, green, blue · [items, 16, 16, 3] */
  item_picture?: FrameArray<Uint8Array>;
  /** of each item and language its name, and its four tokens · JSON · [item_bytes] */
  item_words?: FrameArray<Uint8Array>;
  /** of a part's tokens, by first choice · share · [runs, experts, parts] */
  pair_share?: FrameArray<Float32Array>;
  /** whose expert: 0 nobody's, 1 of pictures, 2 of words, 3 of both · [runs, experts] */
  pair_owner?: FrameArray<Uint8Array>;
  /** who serves each token · expert · [runs, items, item_tokens] */
  pair_expert?: FrameArray<Uint8Array>;
  /** that the probe has chosen · item · [runs, 1] */
  pair_item?: FrameArray<Int16Array>;
  /** whose picture is nearest to its name · item · [runs, languages, nearest] */
  pair_picture?: FrameArray<Int16Array>;
  /** of these · cosine · [runs, languages, nearest] */
  pair_picture_score?: FrameArray<Float32Array>;
  /** whose name is nearest to its picture · item · [runs, languages, nearest] */
  pair_name?: FrameArray<Int16Array>;
  /** of these · cosine · [runs, languages, nearest] */
  pair_name_score?: FrameArray<Float32Array>;
  /** the tokens of the visitor's word · JSON · [found_bytes] */
  found_words?: FrameArray<Uint8Array>;
  /** who serves each · expert · [runs, 4] */
  found_expert?: FrameArray<Uint8Array>;
  /** whose picture is nearest to the word · item · [runs, nearest] */
  found_picture?: FrameArray<Int16Array>;
  /** of these · cosine · [runs, nearest] */
  found_score?: FrameArray<Float32Array>;
  /** row by row · ink × 255 · [runs, pictures, 256] */
  gallery_pixels?: FrameArray<Uint8Array>;
  /** what it is · class · [runs, pictures] */
  gallery_target?: FrameArray<Uint8Array>;
  /** what the model takes it for · class · [runs, pictures] */
  gallery_answer?: FrameArray<Uint8Array>;
  /** who serves each patch, as point_choice · expert · [runs, pictures, patches] */
  gallery_expert?: FrameArray<Uint8Array>;
  /** of each class's patches, or of its pictures, by first choice; NaN = no such picture · share · [runs, experts, outputs] */
  class_share?: FrameArray<Float32Array>;
  /** row by row · ink × 255 · [runs, experts, liked, 256] */
  liked_pixels?: FrameArray<Uint8Array>;
  /** the gate's, the mean over patches · probability · [runs, experts, liked] */
  liked_prob?: FrameArray<Float32Array>;
  /** accuracy for each true group; NaN = no such picture · [runs, groups] */
  domain_metric?: FrameArray<Float32Array>;
  /** the visitor's picture, fitted into the frame · ink × 255 · [runs, 256] */
  drawn_pixels?: FrameArray<Uint8Array>;
  /** of each class · probability · [runs, outputs] */
  drawn_class?: FrameArray<Float32Array>;
  /** the gate's, the mean over patches · probability · [runs, experts] */
  drawn_prob?: FrameArray<Float32Array>;
  /** the mean over patches · [runs, experts] */
  drawn_weight?: FrameArray<Float32Array>;
  /** who serves each patch · expert · [runs, patches] */
  drawn_expert?: FrameArray<Uint8Array>;
}
