"""The parts of a pruned call by themselves: groups, layouts, encoder outputs, choices, positions and hooks."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from lmm_integration import prune  # noqa: E402
from lmm_integration._pipeline import generation, prepare  # noqa: E402
from lmm_integration._pipeline.choice import Choice, _square  # noqa: E402
from lmm_integration._pipeline.encoder_output import Encoded  # noqa: E402
from lmm_integration._pipeline.encoding import encoder_name  # noqa: E402
from lmm_integration._pipeline.prompt_layout import Layout, companions, groups  # noqa: E402
from lmm_integration._pipeline.pruned_call import Call  # noqa: E402
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

# groups


def mask_of(*rows):
    return torch.tensor([[letter == "x" for letter in row] for row in rows])


@pytest.mark.parametrize(
    ("rows", "items", "cut", "expected"),
    [
        (["xxx.xx", "xx...."], [3, 2, 2], "run", [3, 2, 2]),
        (["xxx.xx", "xx...."], [3, 2, 2], "sample", [5, 2]),
        (["xxxxx.", "xx...."], [3, 2, 2], "item", [3, 2, 2]),
        (["xxxxx.", "xx...."], [3, 2, 2], "run", [5, 2]),
        (["xxx.xx", "......"], [5], "item", [5]),
        (["xxx.xx", "......"], [5], "run+item", [3, 2]),
        (["xxxxxx"], [2, 2, 2], "run+item", [2, 2, 2]),
        ([".xx", "xx."], [4], "run", [2, 2]),  # an image never goes on in the next sample
        (["..x", "x.."], [2], "run", [1, 1]),
        (["...", "x.."], [1], "sample", [1]),
    ],
)
def test_placeholders_are_cut_into_images(rows, items, cut, expected):
    images = groups(mask_of(*rows), items, cut)
    assert [len(image) for image in images] == expected
    assert torch.cat(images).tolist() == list(range(sum(expected)))


# layouts


def shortened(tokens, stays, mask, left, padding=0):
    """What a row of a batch becomes, in plain Python: tokens that stay, between the first and the last real one."""
    rows = []
    for row, kept, real in zip(tokens, stays, mask, strict=True):
        columns = [j for j, seen in enumerate(real) if seen]
        inner = range(columns[0], columns[-1] + 1) if columns else ()
        rows.append([token for j, token in enumerate(row) if kept[j] and j in inner])
    width = max(map(len, rows))
    fill = [[padding] * (width - len(row)) for row in rows]
    return [f + row if left else row + f for f, row in zip(fill, rows, strict=True)]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_layout_keeps_what_stays_and_pads_again(data):
    b, length, left = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 7)), data.draw(st.booleans())
    bits = st.lists(st.booleans(), min_size=length, max_size=length)
    stays = torch.tensor([data.draw(bits) for _ in range(b)])
    mask = torch.tensor([data.draw(bits.filter(any)) for _ in range(b)])
    stays |= ~mask  # placeholders are real tokens
    stays[:, 0] = False
    stays[:, -1] = True
    mask[:, -1] = True
    tokens = torch.arange(1, b * length + 1).reshape(b, length)
    layout = Layout.of(stays, mask, left)
    assert layout.length == length
    assert layout.removed.tolist() == [[bool(s) for s in row].count(False) for row in stays]
    expected = shortened(tokens.tolist(), stays.tolist(), mask.tolist(), left)
    assert layout.shorten(tokens).tolist() == expected
    assert layout.real.tolist() == [[token > 0 for token in row] for row in expected]
    assert layout.prompt.columns.tolist() == [
        [(token - 1) % length if token else -1 for token in row] for row in expected
    ]
    assert layout.shorten(tokens, -100).tolist() == [[token or -100 for token in row] for row in expected]
    three = layout.shorten(torch.stack([tokens, 10 * tokens]))
    assert three.tolist() == [expected, [[10 * token for token in row] for row in expected]]


def test_a_layout_without_a_mask_or_without_a_loss():
    stays = mask_of("x.xx", ".x.x")
    assert Layout.of(stays, None, True).shorten(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])).tolist() == [
        [1, 3, 4],
        [0, 6, 8],
    ]
    assert Layout.of(stays, None, False).real.tolist() == [[True, True, True], [True, True, False]]
    whole = Layout.of(torch.ones(2, 3, dtype=torch.bool), mask_of("..x", "xxx"), False)
    assert whole.source.tolist() == [[0, 1, 2]] * 2
    assert whole.real.all()
    assert whole.removed.tolist() == [0, 0]


def test_what_runs_along_a_prompt_is_shortened_with_it():
    layout = Layout.of(mask_of("x.x", "xxx"), None, False)
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    arguments = {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "labels": tokens,
        "position_ids": tokens.expand(3, -1, -1),
        "token_type_ids": tokens,
        "pixel_values": tokens,  # of any shape
        "wide": tokens.expand(2, 2, -1, -1),
        "other": torch.ones(2, 4),
        "fewer": torch.ones(1, 3),
        "number": 3,
    }
    short = dict(companions(layout, arguments, 9))
    assert short.keys() == {"input_ids", "attention_mask", "labels", "position_ids", "token_type_ids"}
    assert short["input_ids"].tolist() == [[1, 3, 9], [4, 5, 6]]
    assert short["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert short["labels"].tolist() == [[1, 3, -100], [4, 5, 6]]
    assert short["token_type_ids"].tolist() == [[1, 3, 0], [4, 5, 6]]
    assert short["position_ids"].shape == (3, 2, 3)


def test_every_part_of_a_call_moves_with_its_rows():
    ids = torch.arange(6).reshape(2, 3)
    call = Call(
        ids,
        ids + 10,
        Layout.of(torch.ones(2, 3, dtype=torch.bool), None, False),
        rope=(torch.stack([ids, ids + 20]), ids[:, :1] + 30, ids[:, :1] + 40),
        rope_shift=ids[:, :1] + 50,
        kept_positions=ids + 60,
        bias=(torch.arange(18.0).reshape(2, 3, 3), torch.arange(6.0).reshape(2, 3)),
    )
    moved, order = call.of_rows(torch.tensor([1, 1, 0])), [1, 1, 0]
    assert torch.equal(moved.ids, call.ids[order])
    assert torch.equal(moved.short, call.short[order])
    assert torch.equal(moved.layout.source, call.layout.source[order])
    assert torch.equal(moved.rope[0], call.rope[0][:, order])
    assert all(torch.equal(one, other[order]) for one, other in zip(moved.rope[1:], call.rope[1:], strict=True))
    assert torch.equal(moved.rope_shift, call.rope_shift[order])
    assert torch.equal(moved.kept_positions, call.kept_positions[order])
    assert all(torch.equal(one, other[order]) for one, other in zip(moved.bias, call.bias, strict=True))


# encoder outputs

ROWS = torch.arange(12.0).reshape(6, 2)


def outputs():
    """Every shape a getter returns, with the sizes of its items and a way to read the features back."""
    parts = (ROWS[:4], ROWS[4:])
    model = SimpleNamespace(pooler_output=parts, deepstack_features=[tuple(10 * p for p in parts)], other=1)
    return {
        "one table": (ROWS, [6], lambda o: o),
        "items of a batch": (ROWS.reshape(3, 2, 2), [2, 2, 2], lambda o: o.reshape(-1, 2)),
        "a tuple of items": (parts, [4, 2], torch.cat),
        "a list of items": (list(parts), [4, 2], torch.cat),
        "features and deeper ones": ((ROWS, [10 * ROWS]), [6], lambda o: o[0]),
        "features and counts": ((parts, torch.tensor([4, 2])), [4, 2], lambda o: torch.cat(o[0])),
        "a model's output": (model, [4, 2], lambda o: torch.cat(o.pooler_output)),
    }


@pytest.mark.parametrize("name", outputs())
def test_feature_rows_are_read_and_taken(name):
    output, items, read = outputs()[name]
    encoded = Encoded.of(output)
    assert encoded.rows.tolist() == ROWS.tolist()
    assert encoded.items == items
    taken = encoded.taking([torch.tensor([0, 3]), torch.tensor([], dtype=torch.int64), torch.tensor([5])])
    assert type(taken) is type(output)
    assert read(taken).tolist() == ROWS[[0, 3, 5]].tolist()


def test_no_taken_item_crosses_samples():
    samples = [torch.tensor([0, 4]), torch.tensor([], dtype=torch.int64), torch.tensor([5])]
    assert [len(part) for part in Encoded.of([ROWS[:4], ROWS[4:]]).taking(samples)] == [2, 1]
    assert Encoded.of(ROWS.reshape(3, 2, 2)).taking(samples).shape == (3, 1, 2)
    deep = Encoded.of((ROWS, [10 * ROWS, 20 * ROWS])).taking(samples)
    assert [layer.tolist() for layer in deep[1]] == [(factor * ROWS[[0, 4, 5]]).tolist() for factor in (10, 20)]
    counts = Encoded.of(((ROWS[:4], ROWS[4:]), "counts")).taking(samples)
    assert counts[1] == "counts"


def test_the_output_of_an_encoder_is_left_as_it_was():
    output, _, _ = outputs()["a model's output"]
    taken = Encoded.of(output).taking([torch.tensor([1])])
    assert [part.tolist() for part in taken.deepstack_features[0]] == [(10 * ROWS[[1]]).tolist()]
    assert [len(part) for part in output.pooler_output] == [4, 2]
    assert [len(part) for part in output.deepstack_features[0]] == [4, 2]
    plain = SimpleNamespace(pooler_output=ROWS, deepstack_features=None)
    assert Encoded.of(plain).taking([torch.tensor([2])]).deepstack_features is None


# choices


@pytest.mark.parametrize(
    ("n", "item", "modality", "grid"),
    [
        (36, 36, "image", (1, 6, 6)),
        (35, 35, "image", None),
        (18, 9, "video", (2, 3, 3)),
        (18, 9, "image", None),
        (9, 36, "image", (1, 3, 3)),  # a part of an item
        (8, 9, "video", None),
        (20, 9, "video", None),
    ],
)
def test_the_square_of_an_encoder(n, item, modality, grid):
    assert _square(n, item, modality) == grid


def chosen_by(rule, keep=2, pooled=False, needs=(), attention=None, square=True, config=None):
    rule.needs, rule.seed, rule.least_frames = needs, 3, 1
    family = SimpleNamespace(cut=lambda modality: "run", square=square)
    embed = torch.nn.Embedding(20, 2)
    return Choice(rule, keep, pooled, attention, family, config, embed, [10, 11], "Tower"), embed


def test_a_rule_sees_each_image_with_its_context():
    seen = []

    def rule(features, k, context):
        seen.append((features, k, context))
        return torch.arange(k) + 1

    choice, embed = chosen_by(rule, needs=("prompt", "attention"), attention=lambda features: features[:, 0])
    ids = torch.tensor([[1, 10, 10, 10, 10, 2], [10, 10, 10, 10, 3, 11]])
    rows, kept, _ = choice("image", ids == 10, Encoded.of(torch.arange(16.0).reshape(2, 4, 2)), ids, {})
    assert rows.tolist() == [False, True, True, False] * 2
    assert [(k.sample, k.modality, k.indices.tolist(), k.n, k.grid) for k in kept] == [
        (0, "image", [1, 2], 4, (1, 2, 2)),
        (1, "image", [1, 2], 4, (1, 2, 2)),
    ]
    for (features, k, context), prompt, first in zip(seen, ([1, 2], [3]), (0.0, 8.0), strict=True):
        assert k == 2
        assert features[0, 0] == first
        assert torch.equal(context.prompt, embed(torch.tensor(prompt)))
        assert torch.equal(context.attention, features[:, 0])
        assert context.seed == 3


def test_padding_and_placeholders_of_any_modality_are_no_prompt():
    prompts = []

    def rule(features, k, context):
        prompts.append(context.prompt)
        return torch.arange(k)

    choice, embed = chosen_by(rule, needs=("prompt",))
    ids = torch.tensor([[0, 0, 10, 10, 10, 2], [10, 10, 10, 3, 11, 4]])
    arguments = {"attention_mask": (ids != 0).long()}
    choice("image", ids == 10, Encoded.of(torch.rand(2, 3, 2)), ids, arguments)
    assert [prompt.tolist() for prompt in prompts] == [embed(torch.tensor(text)).tolist() for text in ([2], [3, 4])]


def test_pooled_images_share_a_budget_and_have_no_grid():
    choice, _ = chosen_by(lambda features, k, context: torch.arange(k), keep=3, pooled=True)
    ids = torch.tensor([[10, 10, 10, 10, 5, 10, 10, 10, 10]])
    rows, kept, _ = choice("image", ids == 10, Encoded.of(torch.rand(2, 4, 2)), ids, {})
    assert rows.sum() == 3
    assert [(k.n, k.grid) for k in kept] == [(8, None)]


@pytest.mark.parametrize(
    ("thw", "sizes", "grids"),
    [
        ([[1, 4, 6]], [6], [(1, 2, 3)]),
        ([[2, 4, 6]], [12], [(2, 2, 3)]),
        ([[2, 4, 6]], [6, 6], [(1, 2, 3), (1, 2, 3)]),  # one image a frame
        ([[1, 4, 6]], [5], [None]),
    ],
)
def test_grids_that_the_processor_names(thw, sizes, grids):
    config = SimpleNamespace(vision_config=SimpleNamespace(spatial_merge_size=2))
    choice, _ = chosen_by(lambda features, k, context: torch.arange(k), config=config)
    assert choice._grids("image", sizes, sizes, {"image_grid_thw": torch.tensor(thw)}) == grids


# positions of a shorter prompt


def call_of(stays, mask=None, left=False, **fields):
    ids = torch.arange(1, stays.numel() + 1).reshape(stays.shape)
    layout = Layout.of(stays, mask, left)
    return Call(ids, layout.shorten(ids), layout, **fields)


def test_original_positions_go_on_behind_what_was_removed():
    call = call_of(mask_of("x..xx"), kept_positions=torch.tensor([[0, 3, 4]]))
    assert call.original_positions(torch.tensor([[0, 1, 2, 3, 4]])).tolist() == [[0, 3, 4, 5, 6]]
    call = call_of(mask_of("x..xx", "xxx.x"), kept_positions=torch.tensor([[0, 3, 4, -1], [0, 1, 2, 4]]))
    beams = torch.tensor([[2, 3], [2, 3], [3, 4], [3, 4]])
    assert call.original_positions(beams).tolist() == [[4, 5], [4, 5], [4, 5], [4, 5]]


def test_a_step_behind_the_cache_has_the_whole_text_mask_and_fewer_positions():
    call = call_of(mask_of("x..xx"))
    ones, tokens = torch.ones(1, 6, dtype=torch.int64), torch.tensor([[7]])
    step = {"input_ids": tokens, "attention_mask": ones, "position_ids": torch.tensor([[5]]), "other": 1}
    continued = call.continue_forward(step, 3, 0)
    assert continued["attention_mask"].tolist() == [[1, 1, 1, 1]]
    assert continued["position_ids"].tolist() == [[3]]
    assert (continued["input_ids"] is tokens, continued["other"]) == (True, 1)
    assert step["attention_mask"] is ones
    short = {"input_ids": tokens, "attention_mask": torch.ones(1, 4), "position_ids": torch.zeros(3, 1, 1)}
    assert call.continue_forward(short, 3, 0) == short  # a mask that does not cover the prompt, several axes
    assert "position_ids" not in call.continue_forward({"input_ids": tokens, "attention_mask": ones}, 3, 1)


def test_a_step_behind_the_cache_goes_on_from_the_original_positions():
    call = call_of(mask_of("x..xx"), kept_positions=torch.tensor([[0, 3, 4]]))
    ones, tokens = torch.ones(1, 6, dtype=torch.int64), torch.tensor([[7]])
    placed = call.continue_forward({"input_ids": tokens, "attention_mask": ones}, 3, 1)
    assert placed["position_ids"].tolist() == [[6]]
    given = {"input_ids": tokens, "attention_mask": ones, "position_ids": torch.tensor([[9]])}
    assert call.continue_forward(given, 3, 1)["position_ids"].tolist() == [[9]]


def test_a_step_without_a_mask_attends_to_all_but_the_padding_of_the_shortening():
    call = call_of(mask_of("x..xx", "xxx.x"), left=True, kept_positions=torch.tensor([[0, 3, 4, -1], [0, 1, 2, 4]]))
    continued = call.continue_forward({"input_ids": torch.tensor([[7, 8], [7, 8]])}, 5, 0)  # one token in between
    assert continued["attention_mask"].tolist() == [[0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]]
    assert continued["position_ids"].tolist() == [[6, 7], [6, 7]]
    beams = call.continue_forward({"input_ids": torch.tensor([[7]] * 4)}, 4, 0)
    assert beams["attention_mask"].tolist() == [[0, 1, 1, 1, 1]] * 2 + [[1, 1, 1, 1, 1]] * 2


def test_generation_goes_on_behind_the_shorter_prompt():
    call = call_of(mask_of("x..xx"))
    text = torch.tensor([[1, 2, 3, 4, 5, 8, 9]])
    continued = call.continue_generate({"input_ids": text, "attention_mask": torch.ones_like(text), "n": 4})
    assert continued["input_ids"].tolist() == [[1, 4, 5, 8, 9]]
    assert continued["attention_mask"].tolist() == [[1] * 5]
    assert continued["n"] == 4


def test_positions_on_several_axes_are_repeated_for_beams_and_go_on():
    rope = (torch.arange(6).reshape(3, 1, 2), torch.tensor([[7]]), torch.tensor([[2]]))
    call = call_of(mask_of("x.x"), rope=rope)
    positions, deltas = call.rope_index(torch.zeros(2, 4))
    assert positions.tolist() == [[[0, 1, 7, 8]] * 2, [[2, 3, 7, 8]] * 2, [[4, 5, 7, 8]] * 2]
    assert deltas.tolist() == [[2], [2]]


def test_a_step_on_several_axes_goes_on_behind_the_prompt_or_where_the_caller_says():
    rope = (torch.arange(6).reshape(3, 1, 2), torch.tensor([[7]]), torch.tensor([[2]]))
    call = call_of(mask_of("x.x"), rope=rope)
    step = {"input_ids": torch.tensor([[5, 6]])}
    assert call.continue_forward(step, 3, 0)["position_ids"].tolist() == [[[8, 9]]] * 3  # one token in between
    given = torch.full((3, 1, 2), 20)
    assert torch.equal(call.continue_forward({**step, "position_ids": given}, 3, 0)["position_ids"], given)


def test_features_are_repeated_as_often_as_beams_repeat_the_items():
    encoded = Encoded.of([ROWS[:4], ROWS[4:]])
    call = call_of(mask_of("xx"), encoded={"image": (encoded, [torch.tensor([0, 2]), torch.tensor([5])], 2)})
    assert [part[:, 0].tolist() for part in call.features("image", 2)] == [[0, 4], [10]]
    assert [part[:, 0].tolist() for part in call.features("image", 4)] == [[0, 4, 0, 4], [10, 10]]


# generation


@pytest.mark.parametrize(
    ("arguments", "own", "limits"),
    [
        ({}, {}, {}),
        ({"max_length": 20}, {}, {"max_length": 15}),
        ({"min_length": 3}, {}, {"min_length": 0}),
        ({"max_length": 20, "max_new_tokens": 4}, {}, {}),
        ({}, {"max_length": 30, "min_length": 10}, {"max_length": 25, "min_length": 5}),
        ({"min_length": 8}, {"max_length": 30, "max_new_tokens": 3}, {"min_length": 3}),
        ({"max_length": 0}, {}, {}),
    ],
)
def test_limits_of_length_count_what_the_model_sees(arguments, own, limits):
    from transformers import GenerationConfig

    assert generation._lengths(arguments, GenerationConfig(**own), 5) == limits
    assert generation._lengths({**arguments, "generation_config": GenerationConfig(**own)}, None, 5) == limits


def test_ids_come_back_with_the_whole_prompt():
    back = generation._Back(torch.tensor([[1, 2, 3], [4, 5, 6]]), 2, 1)
    assert back(torch.tensor([[1, 3, 8], [4, 6, 9]])).tolist() == [[1, 2, 3, 8], [4, 5, 6, 9]]
    beams = torch.tensor([[1, 3, 8], [1, 3, 7], [4, 6, 9], [4, 6, 0]])
    assert back(beams)[:, :3].tolist() == [[1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 5, 6]]


# preparation


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        (None, True),
        (["xxx", "xxx"], True),
        (["..x", "xxx"], True),
        (["x..", "xxx"], False),
        (["x..", "..x"], True),
    ],
)
def test_the_side_of_the_padding_is_that_of_the_mask(rows, left):
    assert prepare._pads_left(None if rows is None else mask_of(*rows)) is left


def test_a_pruning_counts_and_leaves():
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    before = {name: value for name, value in vars(model).items() if callable(value)}
    with torch.no_grad():
        plain = model(**inputs).logits
        with prune(model, keep=0.25) as pruning:
            for calls in (1, 2):
                short = model(**inputs).logits
                assert pruning.stats.calls == calls
                assert pruning.stats.tokens_before == calls * sum(kept.n for kept in pruning.last)
                assert pruning.stats.tokens_after == calls * sum(len(kept.indices) for kept in pruning.last)
            assert pruning.stats.encode_seconds > 0
            assert pruning.stats.solve_seconds > 0
            with pytest.raises(PruningStateError, match="being pruned already"):
                prune(model, keep=0.5)
        assert short.shape[1] < plain.shape[1]
        assert torch.equal(model(**inputs).logits, plain)
    assert {name: value for name, value in vars(model).items() if callable(value)} == before
    pruning.remove()
    assert "Pruning of Llava" in repr(pruning)


def test_what_cannot_be_shortened_is_named():
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, keep=0.25):
        mask = torch.ones(len(inputs["input_ids"]), 1, 4, 4)
        with pytest.raises(UnsupportedModelError, match="needs a mask of shape"):
            model(**{**inputs, "attention_mask": mask})
        with pytest.raises(UnsupportedModelError, match="inputs_embeds do not show which columns are visual"):
            model(pixel_values=inputs["pixel_values"], inputs_embeds=torch.zeros(1, 4, 8))
        fewer = np.flatnonzero((inputs["input_ids"][0] == tiny.IMAGE).numpy())[0]
        ids = inputs["input_ids"].clone()
        ids[0, fewer] = 1
        with pytest.raises(UnsupportedModelError, match="prompt and pixels do not belong together"):
            model(**{**inputs, "input_ids": ids})


def test_an_encoder_is_named_by_its_class_or_by_its_model():
    inner = SimpleNamespace(visual=torch.nn.Linear(1, 1))
    assert encoder_name(inner) == "Linear, the encoder of SimpleNamespace,"
    assert encoder_name(SimpleNamespace()) == "the vision encoder of SimpleNamespace"
