"""What there is to say about every router and way to balance: name, idea, formula, paper, gain and price. Data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One card: what it does in plain words, its formula, its paper, and the row of the table that compares them."""

    name: str
    idea: str
    formula: str  # LaTeX
    paper: str
    year: int
    arxiv: str  # identifier, or "–" where the source is not there
    fixed: str
    cost: str
    used_by: str
    choice: str  # this and the next five: columns of the table
    weight: str
    capacity: str
    noise: str
    loss: str
    gradient: str


ROUTER_NOTES: dict[str, Note] = {
    "top_k": Note(
        "Top-k (the article)",
        "A small linear gate scores every expert, and a softmax makes probabilities of the scores. Only the k most "
        "probable experts compute the input. Their answers are added up, each with its probability as weight, or with "
        "the chosen probabilities divided by their sum. Everything else here is a variation of this.",
        r"y=\sum_{i\in\mathrm{Top}k}g_i\,E_i(x),\quad g_i=\frac{p_i}{\sum_{j\in\mathrm{Top}k}p_j},"
        r"\quad p=\mathrm{softmax}(W_g^{\top}x)",
        "the article, section 2", 2024, "–",
        "Computing all N experts for every input: only k of them work.",
        "Nothing keeps the load even: experts that are chosen learn, and are chosen more.",
        "the common core of the routers below",
        "k largest p", "p, or p divided by the sum of the chosen", "none, or a limit as a knob", "none",
        "the article's squared loss, or any other", "through the weights of the chosen",
    ),
    "noisy_top_k": Note(
        "Noisy top-k",
        "Before the k largest scores are taken, each gets random noise of a size that the gate learns too. An expert "
        "that is just behind then wins now and then, and so gets inputs to learn from. The noise also makes it "
        "possible to say how likely an expert was to be chosen, which the load loss needs. In use, after training, "
        "the noise is off.",
        r"H_i=z_i+\varepsilon_i\,\mathrm{softplus}\big((W_{\mathrm{noise}}^{\top}x)_i\big),"
        r"\quad g=\mathrm{softmax}\big(\mathrm{KeepTop}k(H)\big)",
        "Shazeer et al., Outrageously large neural networks", 2017, "1701.06538",
        "A gate that settles on the first lucky experts: the runner-up gets a chance, and load gets a gradient.",
        "A second matrix for the noise, two losses to weigh, and choices that are not repeatable in training.",
        "the LSTM language and translation models of that paper",
        "k largest H = z + noise", "softmax over the k largest H", "none", "normal, of learned size, in training only",
        "importance and load", "through the weights, and through the noise's size",
    ),
    "switch": Note(
        "Switch",
        "Each input goes to one expert only, the most probable one. Its weight is the probability itself: divided by "
        "itself it would be 1, and the gate would learn nothing. Each expert has a fixed number of seats; who comes "
        "too late is dropped. One choice instead of two halves the sending between machines.",
        r"y=p_{i^*}\,E_{i^*}(x),\quad i^*=\arg\max_i p_i,\quad C=\left\lceil \mathrm{cf}\cdot\frac{T}{N}\right\rceil",
        "Fedus, Zoph and Shazeer, Switch Transformers", 2021, "2101.03961",
        "The belief that a gate needs two choices to compare: one is enough, simpler and cheaper.",
        "Inputs without a seat get nothing from the layer, and one choice tells the gate less.",
        "Switch Transformers (up to 1.6 trillion parameters)",
        "the largest p (k = 1)", "p, never divided",
        "C seats for each expert, first come first served; cf = 1.25 in training, 2 when tested",
        "the gate's input times 1 ± 0.01, in training", "Switch's N · Σ f P", "through the one weight",
    ),
    "gshard": Note(
        "GShard",
        "Each input has a first and a second choice. The second is sent only sometimes, the more likely the more it "
        "would weigh, so that seats are not spent on what hardly counts. All first choices queue before any second "
        "one. The weights of the two are divided by their sum before anything is dropped.",
        r"g_1=\frac{p_1}{p_1+p_2},\quad g_2=\frac{p_2}{p_1+p_2},\quad \Pr(\text{send 2nd})=\min(1,\,2g_2)",
        "Lepikhin et al., GShard", 2020, "2006.16668",
        "Buffers of varying size on thousands of devices: with C seats for each expert every shape is known in "
        "advance.",
        "Dropped inputs, a random element, and k fixed at 2.",
        "GShard's translation Transformer (600 billion parameters)",
        "two largest p, the second at random", "p divided by the sum of the two", "C seats for each expert and group",
        "the random second choice", "GShard's, which counts first choices", "through both weights",
    ),
    "mixtral": Note(
        "Mixtral",
        "The k largest scores are taken first, and the softmax is among these alone. That is the same as a softmax "
        "over all experts whose chosen part is divided by its sum. The weights always add up to 1. No expert has a "
        "seat limit, so nothing is ever dropped.",
        r"y=\sum_{i}\mathrm{softmax}\big(\mathrm{Top}2(W_g^{\top}x)\big)_i\,E_i(x)",
        "Jiang et al., Mixtral of experts", 2024, "2401.04088",
        "Dropping and noise: with kernels that take uneven groups, a plain top-k will do.",
        "At k = 1 every weight is 1 and the gate gets no gradient; uneven load costs time.",
        "Mixtral 8x7B (8 experts, k = 2)",
        "k largest z", "softmax over the k largest z", "none", "none", "Switch's, where one is used",
        "through the weights (none at k = 1)",
    ),
    "deepseek_v3": Note(
        "DeepSeek-V3",
        "Each expert is scored by itself, by a sigmoid, so experts do not compete for one sum. To choose, every score "
        "gets a bias that is raised for experts with too little work and lowered for those with too much. The weights "
        "come from the scores without that bias. The bias is moved by counting, not by a gradient, so balancing does "
        "not disturb learning.",
        r"g_i=\frac{s_i}{\sum_{j\in K}s_j},\quad K=\mathrm{Top}k(s+b),\quad s=\sigma(z),"
        r"\quad b_i\leftarrow b_i+\gamma\,\mathrm{sign}(\bar c-c_i)",
        "DeepSeek-AI, DeepSeek-V3", 2024, "2412.19437",
        "A balance loss that pulls the gate away from the best answer.",
        "One more number to set: small steps γ are slow, large ones swing. Groups limit who may be combined.",
        "DeepSeek-V3 and DeepSeek-R1",
        "k largest s + b, if wanted within the best groups", "s divided by the sum of the chosen", "none", "none",
        "none needed (a tiny one per sequence)", "through s; the bias has none",
    ),
    "expert_choice": Note(
        "Expert choice",
        "The sides are swapped: each expert takes the C inputs that want it most. So every expert has exactly the "
        "same amount of work, without any loss. An input may be taken by several experts, or by none. To choose, an "
        "expert must see the whole batch, later inputs included.",
        r"\mathrm{taken}_e=\mathrm{Top}C\big(p_{\cdot e}\big),"
        r"\quad C=\left\lceil\frac{T\,k}{N}\right\rceil,\quad g_{te}=p_{te}",
        "Zhou et al., Mixture-of-experts with expert choice routing", 2022, "2202.09368",
        "Uneven load, by construction: no balance loss, no overflow.",
        "Some inputs get no expert; and it looks ahead, so it cannot generate text word by word.",
        "the language models of that paper",
        "each expert: its C largest p", "p, not divided", "C inputs for each expert, always full", "none",
        "none needed", "through the weights",
    ),
    "hash": Note(
        "Hash layer",
        "Nothing is learned: a fixed table says which expert serves which kind of input, for text by the number of "
        "the word. Equal inputs always meet the same expert. The table gives every expert equally many kinds; common "
        "kinds still make their expert busier. It is the measure for all others: a learned gate should do better.",
        r"y=E_{h(t)}(x_t),\quad h:\ \text{token id}\mapsto\{1,\dots,N\}\ \text{fixed}",
        "Roller et al., Hash layers for large sparse models", 2021, "2106.04426",
        "Everything that is hard in training a gate: there is none.",
        "Cannot use what surrounds a token, and needs tokens with an identity.",
        "the language models of that paper",
        "a fixed table", "1", "none", "none", "none", "none: no gate to train",
    ),
    "soft": Note(
        "Soft MoE",
        "Nobody is chosen. Each expert has a few slots, and each slot gets a mixture of all inputs; each input gets "
        "back a mixture of all slots' answers. So everything is smooth and has a gradient. The cost is set by the "
        "number of slots, not by the number of experts.",
        r"\tilde X=D^{\top}X,\quad Y=C\,\tilde Y,\quad D=\mathrm{softmax}_{\text{tokens}}(X\Phi),"
        r"\quad C=\mathrm{softmax}_{\text{slots}}(X\Phi)",
        "Puigcerver et al., From sparse to soft mixtures of experts", 2023, "2308.00951",
        "The choice without a gradient, dropping and imbalance, all at once.",
        "Every slot mixes all inputs, later ones too: not for generating text; and no input has an expert of its own.",
        "the image models of that paper",
        "none: all are mixed", "softmax over slots", "a fixed number of slots", "none", "none needed",
        "through everything",
    ),
}  # fmt: skip


BALANCE_NOTES: dict[str, Note] = {
    "none": Note(
        "No balancing",
        "The gate follows the task alone. Experts that are chosen early get better and are chosen more; others may "
        "get no work at all. Sometimes this is even right: where groups are unequal, even load would cut them up. It "
        "is the reference for all others.",
        r"L=L_{\text{task}}", "Jacobs et al., Adaptive mixtures of local experts", 1991, "–",
        "Nothing to set, nothing that pulls against the task.",
        "Idle experts: parameters that are paid for and not used.",
        "small mixtures, and as a reference",
        "as the router has it", "as the router has it", "as the router has it", "none", "none", "from the task alone",
    ),
    "squared": Note(
        "Squared distance (the article)",
        "Every expert's mean gate probability is compared with the fair share 1/N; the squares of the differences are "
        "added up. It is 0 when the mean probabilities are equal. It looks at probabilities and not at counts, so it "
        "may be 0 while load is uneven.",
        r"L=\lambda\sum_{i=1}^{N}\Big(\frac1N-\frac1B\sum_{b=1}^{B}G(x_b)_i\Big)^2",
        "the article, section 3", 2024, "–",
        "Collapse on a few experts, with a formula that can be read at a glance.",
        "Small numbers: it needs a λ of 1 to 10 in short runs, and does not see counts.",
        "teaching; it equals the squared CV of the summed probabilities divided by N",
        "unchanged", "unchanged", "unchanged", "none", "Σ (1/N − P)²; balanced: 0", "through the mean probabilities P",
    ),
    "switch": Note(
        "Switch's loss",
        "For every expert the share of choices f is multiplied by its mean probability P; the sum times N is the "
        "loss. A busy expert's probability is pushed down, in proportion to how busy it is. Counts say where to push, "
        "probabilities carry the push. It is 1 when all is even.",
        r"L=\alpha\,N\sum_{i=1}^{N}f_i\,P_i",
        "Fedus, Zoph and Shazeer, Switch Transformers", 2021, "2101.03961",
        "Two losses of earlier work become one, and counts are seen.",
        "Its balanced value is 1, not 0, and it may dip below: easily misread.",
        "Switch Transformers (α = 0.01), and many models since",
        "unchanged", "unchanged", "unchanged", "none", "N · Σ f P; balanced: 1", "through P only; f is a count",
    ),
    "gshard": Note(
        "GShard's loss",
        "As Switch's loss, which is its descendant, but only first choices are counted. So an expert that is "
        "everybody's second choice counts as idle. It is worked out for each group of inputs, and averaged over the "
        "groups. Here it is scaled so that 1 means even.",
        r"L=N\sum_{i=1}^{N}f^{(1)}_i\,P_i,\qquad f^{(1)}_i=\text{share of first choices}",
        "Lepikhin et al., GShard", 2020, "2006.16668",
        "A count that has no gradient is replaced by a product that has one.",
        "Second choices are not seen.",
        "GShard's translation Transformer",
        "unchanged", "unchanged", "unchanged", "none", "N · Σ f P over first choices; balanced: 1", "through P only",
    ),
    "importance": Note(
        "Importance (with load)",
        "Importance is the sum of the weights that an expert is given; its unevenness, squared, is the loss. It keeps "
        "weights even, not counts: one expert may have few inputs of great weight, another many of small weight. That "
        "is why its authors use it together with the load loss.",
        r"L=w\,\mathrm{CV}^2\Big(\sum_t g_t\Big),\qquad \mathrm{CV}=\frac{\text{standard deviation}}{\text{mean}}",
        "Shazeer et al., Outrageously large neural networks", 2017, "1701.06538",
        "Collapse on a few experts: in its Table 6 the CV of load falls from 3.01 to .17.",
        "Counts may stay uneven; and with weights that are always 1 it has no gradient.",
        "the models of that paper, together with the load loss",
        "unchanged", "unchanged", "unchanged", "none", "CV² of summed weights; balanced: 0", "through the weights",
    ),
    "load": Note(
        "Load (with importance)",
        "How many inputs an expert gets is a count, and counts have no gradient. With noise on the scores one can say "
        "how likely each input was to choose the expert, had the noise been drawn again. These chances are smooth; "
        "the unevenness of their sums, squared, is the loss.",
        r"L=w\,\mathrm{CV}^2\Big(\sum_t P(x_t,i)\Big),"
        r"\quad P(x,i)=\Phi\!\left(\frac{z_i-\mathrm{kth}(H,k,i)}{\sigma_i}\right)",
        "Shazeer et al., Outrageously large neural networks", 2017, "1701.06538",
        "Machines that run out of memory because one expert gets too many inputs.",
        "Works with the noisy router only; without noise it is a plain count.",
        "the models of that paper, together with importance",
        "unchanged", "unchanged", "unchanged", "needed", "CV² of expected counts; balanced: 0",
        "through scores and noise",
    ),
    "z": Note(
        "Router z-loss",
        "It keeps the gate's scores small. Large scores round badly and make the softmax jump between experts. So the "
        "squared log-sum-exp of the scores is added to the loss, with a small weight. It is about stability, not "
        "balance, and is used beside a balance loss.",
        r"L=c_z\,\frac1T\sum_t\Big(\log\sum_i e^{z_{ti}}\Big)^2",
        "Zoph et al., ST-MoE", 2022, "2202.08906",
        "Large models whose training blew up, at no loss of quality.",
        "With a large weight (.1) it hurts the answer.",
        "ST-MoE-32B (weight .001)",
        "unchanged", "unchanged", "unchanged", "none", "mean of logsumexp(z)²; least at logsumexp = 0",
        "through all scores",
    ),
    "entropy": Note(
        "Entropy losses",
        "Two wishes: each input should be sure of its expert, and the inputs of one kind (images, words) should "
        "together use many experts. The first lowers the entropy of each input's probabilities, the second raises "
        "that of their mean, up to a threshold. So no kind crowds out the other.",
        r"L=\sum_m\Big[\frac1{T_m}\sum_{t\in m}H(p_t)+\max\big(0,\ \tau-H(\bar p_m)\big)\Big]",
        "Mustafa et al., LIMoE", 2022, "2206.02770",
        "Mixtures of images and text, where the rarer kind lost its experts.",
        "A threshold for each kind to set.",
        "LIMoE",
        "unchanged", "unchanged", "unchanged", "none", "entropy within, minus entropy of the mean", "through p",
    ),
    "bias": Note(
        "DeepSeek's bias",
        "No loss at all: each expert has a number that is added to its score when the choice is made. After every "
        "step it goes up a little for experts with fewer choices than the mean, and down for those with more. The "
        "weights do not see it. So the task's gradient stays as it is.",
        r"b_i\leftarrow b_i+\gamma\,\mathrm{sign}(\bar c-c_i)",
        "Wang et al., Auxiliary-loss-free load balancing", 2024, "2408.15664",
        "Balance losses that disturb the task's gradient.",
        "A small γ is slow, a large one swings to and fro; balance is not specialization.",
        "DeepSeek-V3",
        "k largest s + b", "without the bias", "none", "none", "none", "none: moved by counting",
    ),
    "expert_choice": Note(
        "Expert choice",
        "Balance by construction: each expert takes the same number of inputs. Nothing has to be added to the loss. "
        "What was uneven load becomes uneven service: some inputs get several experts, some get none.",
        r"\sum_t \mathrm{taken}_{te}=C\quad\text{for every expert }e",
        "Zhou et al., Mixture-of-experts with expert choice routing", 2022, "2202.09368",
        "The balance loss itself: there is nothing left to balance.",
        "Inputs without any expert, and a look at later inputs.",
        "the language models of that paper",
        "each expert: its C largest p", "p", "C inputs for each expert", "none", "none", "through the weights",
    ),
    "drops": Note(
        "Seats and drops",
        "A hard limit: each expert has C seats, and inputs beyond it are dropped. So no expert can hold up the "
        "others, however uneven the gate. The load that is computed is limited, the load that is wanted is not: "
        "without a balance loss as well, many inputs get nothing.",
        r"C=\left\lceil\mathrm{cf}\cdot\frac{k\,T}{N}\right\rceil,\qquad g_{ti}=0\ \text{ where position}_{ti}\ge C",
        "Lepikhin et al., GShard", 2020, "2006.16668",
        "Steps that last as long as the busiest expert, and memory that cannot be planned.",
        "Dropped inputs; a larger factor drops less and wastes more empty seats.",
        "GShard and Switch Transformers",
        "unchanged", "0 where dropped", "C seats for each expert", "none", "none; used beside one",
        "none for what was dropped",
    ),
}  # fmt: skip
