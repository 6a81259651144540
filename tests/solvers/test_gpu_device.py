"""What only a CUDA device can show: the operator on it, and the replay of a CUDA graph."""

import pytest

from solvers.greedy import Greedy

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

SHAPES = [(576, 64, 58), (2880, 64, 100), (5000, 3, 40), (20_000, 3, 40), (17_000, 64, 20)]


@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_device_picks_what_the_cpu_picks(n, d, k, metric):
    points = torch.randint(-3, 4, (2, n, d), device="cuda").float()  # exact distances under euclidean
    points[points.abs().sum(-1) == 0] = 1.0
    picks = Greedy("sweep").select(points, k, metric)
    assert picks.device == points.device
    assert picks.dtype == torch.int64
    if metric == "euclidean":
        assert torch.equal(picks.cpu(), Greedy("sweep").select(points.cpu(), k, metric))
    assert all(len(set(row)) == k for row in picks.tolist())


@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_a_graph_replays_on_new_inputs(n, d, k):
    static = torch.randn(2, n, d, device="cuda", dtype=torch.bfloat16)
    Greedy().select(static, k)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        picks = Greedy().select(static, k)
    for _ in range(3):
        fresh = torch.randn_like(static)
        static.copy_(fresh)
        picks.fill_(-7)
        graph.replay()
        assert torch.equal(picks, Greedy().select(fresh, k))


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")
def test_nothing_waits_for_the_device():
    points, lengths = torch.randn(4, 300, 64, device="cuda"), torch.tensor([300, 20, 7, 150], device="cuda")
    Greedy().select(points, 10, lengths=lengths)
    torch.cuda.set_sync_debug_mode("error")
    try:
        Greedy().select(points, 10, lengths=lengths)
        Greedy("sweep").select(points, 10, lengths=lengths)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore")  # of torch's own compiler and graphs
def test_a_compiled_function_replays_too():
    step = torch.compile(lambda x: Greedy().select(x * 2, 20) + 1, fullgraph=True, mode="reduce-overhead")
    for _ in range(4):
        x = torch.randn(3, 200, 64, device="cuda")
        assert torch.equal(step(x).clone(), Greedy().select(x * 2, 20) + 1)
