# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Pruning a multimodal model
#
# **You learn** to keep a tenth of the visual tokens of a LLaVA with one `with` statement, to see which patches stay,
# and to count what is saved. The model has the 576 tokens of LLaVA-1.5, few layers and random weights: its answers
# mean nothing, but its shapes are those of the real model.

# %%
import matplotlib.pyplot as plt
from skimage import data

from experiments.tflops import Decoder
from lmm_integration import overlay, prune
from lmm_integration.demo import middle_square, small_llava

photograph = data.chelsea()
model, inputs = small_llava(photograph)

# %% [markdown]
# Before and after: the language model sees a shorter prompt, but the caller sees the same ids.

# %%
widths = []
hook = model.model.language_model.layers[0].register_forward_pre_hook(
    lambda layer, args: widths.append(tuple(args[0].shape))
)
plain = model.generate(**inputs, max_new_tokens=1, do_sample=False)
with prune(model, solver="greedy", keep=0.1) as pruning:
    pruned = model.generate(**inputs, max_new_tokens=1, do_sample=False)
hook.remove()
print("into the first layer:", widths[0], "->", widths[-1])
print("returned:", tuple(plain.shape), "and", tuple(pruned.shape))
print(pruning.stats)
assert widths[0][1] - widths[-1][1] == pruning.stats.tokens_before - pruning.stats.tokens_after

# %%
figure, axes = plt.subplots(1, 4, figsize=(14, 3.8), layout="constrained")
axes[0].imshow(middle_square(photograph))
axes[0].set_title("576 tokens")
for axis, keep in zip(axes[1:], (0.5, 0.25, 0.1), strict=True):
    with prune(model, solver="greedy", keep=keep) as pruning:
        model(**inputs)
    axis.imshow(overlay(middle_square(photograph), pruning.last[0]))
    axis.set_title(f"{pruning.stats.tokens_after} tokens")
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# What that is worth for a decoder of 7 billion parameters (32 layers, width 4,096, inner width 11,008), with 45 text
# tokens.

# %%
decoder = Decoder(layers=32, width=4096, inner=11008)
full = decoder.tflop(45 + 576)
for keep in (1.0, 0.5, 0.25, 0.1):
    n = 45 + round(576 * keep)
    print(f"keep {keep:4.0%}: {decoder.tflop(n):.3f} TFLOP to read the prompt, {decoder.tflop(n) / full:.1%}")
