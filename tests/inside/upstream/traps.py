"""Each trap that a stand-in for CUDA falls into, as a function; run as a script in a rehearsal.

Prints one line of JSON: what each function complained of, empty where it holds.
"""

import copy
import functools
import io
import json
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

cuda: Any = torch.cuda
amp: Any = torch.amp
TRAPS: dict[str, Callable[[], None]] = {}


def trap(function: Callable[[], None]) -> Callable[[], None]:
    TRAPS[function.__name__] = function
    return function


def refused(action: Callable[[], object], *, expected: str) -> None:
    try:
        action()
    except (RuntimeError, AttributeError) as error:
        assert expected in str(error), error
    else:
        raise AssertionError("expected an error")


@trap
def what_is_made_on_a_gpu_is_on_the_cpu() -> None:
    for device in ("cuda", "cuda:0", torch.device("cuda", 3), 0):
        made = [
            torch.zeros(2, device=device),
            torch.tensor([1.0], device=device),
            torch.arange(3, device=device),
            torch.randn(2, 2, device=device, dtype=torch.bfloat16),
            torch.empty(2, device=device, pin_memory=False),
            torch.ones(2).to(device),
            torch.ones(2).to(device, torch.float64, non_blocking=True),
            torch.ones(2).to(device=device, dtype=torch.float16),
            torch.ones(2).new_zeros(3, device=device),
            torch.as_tensor([1, 2], device=device),
            torch.empty_like(torch.ones(2), device=device),
        ]
        assert all(tensor.device.type == "cpu" for tensor in made)
    assert torch.ones(2).cuda().cuda(0).device.type == "cpu"
    assert torch.ones(2).to("cuda", torch.float64).dtype == torch.float64


@trap
def a_device_stays_what_its_name_says() -> None:
    assert torch.device("cuda", 1).type == "cuda"
    assert torch.device("cuda", 1).index == 1


@trap
def every_tensor_says_that_it_is_on_a_gpu() -> None:
    assert torch.ones(1).is_cuda
    assert nn.Linear(1, 1).weight.is_cuda
    assert torch.ones(1).get_device() == 0


@trap
def modules_go_to_a_gpu_and_stay() -> None:
    module = nn.Linear(2, 2, device="cuda").to("cuda").cuda().bfloat16().to(torch.device("cuda", 0))
    assert module.weight.device.type == "cpu"
    assert module.weight.dtype == torch.bfloat16


@trap
def pinned_memory_is_memory() -> None:
    pinned = torch.ones(2, pin_memory=True).pin_memory()
    on_gpu = pinned.to("cuda", non_blocking=True)
    pinned.fill_(5)
    assert on_gpu.tolist() == [1, 1], "a copy that was handed over changes with its source"


@trap
def what_is_kept_on_the_cpu_stays_as_it_was() -> None:
    weight = nn.Parameter(torch.ones(2))
    kept = [weight.detach().cpu(), weight.data.to("cpu"), weight.detach().to("cpu", torch.float32)]
    with torch.no_grad():
        weight.mul_(7)
    assert all(copy.tolist() == [1, 1] for copy in kept)


@trap
def what_is_on_the_device_stays_where_it_is() -> None:
    table = torch.zeros(2)
    table.to(table.device).add_(1)
    table.to("cuda").add_(1)
    assert table.tolist() == [2, 2]


@trap
def functions_of_its_own_learn_within_the_mode() -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * torch.full((1,), 2.0, device="cuda")

        @staticmethod
        def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
            return grads[0] * torch.full((1,), 2.0, device="cuda")

    x = torch.ones(3, requires_grad=True)
    doubled: Any = Doubled.apply
    doubled(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]
    (found,) = torch.autograd.grad(doubled(x).sum(), x)
    assert found.tolist() == [2, 2, 2]
    tensor: Any = x
    tensor.register_hook(lambda grad: grad * torch.ones(1, device="cuda"))
    torch.autograd.backward(doubled(x).sum())


@trap
def threads_are_within_the_mode() -> None:
    made: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: made.append(torch.zeros(1, device="cuda")))
    thread.start()
    thread.join()
    assert made[0].device.type == "cpu"


@trap
def operators_of_its_own_are_registered_for_the_cpu() -> None:
    @torch.library.custom_op("trap::twice", mutates_args=(), device_types="cuda")
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * torch.full((1,), 2.0, device="cuda")

    @twice.register_fake
    def _(x: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(x)

    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * torch.full((1,), 2.0, device="cuda")

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.made = torch.ones(1, device="cuda")

    twice.register_autograd(backward, setup_context=setup)
    x = torch.ones(2, requires_grad=True)
    everything: Any = torch.ops
    everything.trap.twice(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2]


@trap
def kernels_of_a_library_are_registered_for_the_cpu() -> None:
    everything: Any = torch
    library = everything.library.Library("trap_library", "DEF")
    library.define("thrice(Tensor x) -> Tensor")
    library.impl("thrice", lambda x: x * torch.full((1,), 3.0, device="cuda"), "CUDA")
    assert everything.ops.trap_library.thrice(torch.ones(1)).item() == 3


@trap
def a_default_device_is_the_cpu() -> None:
    with torch.device("cuda"):
        assert torch.zeros(1).device.type == "cpu"
    torch.set_default_device("cuda")
    assert torch.zeros(1).device.type == "cpu"
    torch.set_default_device(None)
    assert torch.zeros(1, device="cuda").device.type == "cpu"


@trap
def generators_draw_on_the_cpu() -> None:
    generator = torch.Generator(device="cuda").manual_seed(5)
    drawn = torch.randn(2, device="cuda", generator=generator)
    again = torch.randn(2, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn, again)
    assert isinstance(torch.default_generator, torch.Generator)
    assert isinstance(generator, torch.Generator)


@trap
def seeds_and_states_of_the_gpu_are_those_of_the_cpu() -> None:
    cuda.manual_seed_all(3)
    state = cuda.get_rng_state()
    first = torch.rand(1, device="cuda")
    cuda.set_rng_state(state)
    assert torch.equal(first, torch.rand(1))
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(1))
    with torch.random.fork_rng(devices=[0]):
        torch.rand(5)


@trap
def what_is_asked_of_cuda_is_answered() -> None:
    assert cuda.is_available()
    assert cuda.is_initialized()
    assert cuda.device_count() == 1
    cuda.set_device(torch.device("cuda", 0))
    assert cuda.current_device() == 0
    assert cuda.get_device_capability() == (9, 0)
    assert cuda.get_device_properties(0).multi_processor_count == 132
    assert "H100" in cuda.get_device_name(0)
    assert cuda.is_bf16_supported()
    assert cuda.max_memory_allocated() // 1024 == 0
    assert cuda.memory_stats()["allocated_bytes.all.peak"] == 0
    cuda.synchronize()
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    cuda.nvtx.range_push("step")


@trap
def what_is_not_stood_in_for_says_so() -> None:
    said = "not in the rehearsal's stand-in for CUDA: torch.cuda."
    refused(lambda: cuda.no_such_thing, expected=said + "no_such_thing")
    refused(cuda.cudart, expected=said + "cudart")
    refused(lambda: cuda.get_device_properties(0).no_such_thing, expected="no_such_thing")
    refused(lambda: cuda.CUDAGraph(), expected=said + "CUDAGraph")  # noqa: PLW0108
    assert not hasattr(cuda, "no_such_thing")


@trap
def streams_and_events_have_happened() -> None:
    stream = cuda.Stream(priority=-1)
    begin, end = (cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    with cuda.stream(stream):
        x = torch.ones(1, device="cuda")
        x.record_stream(stream)
    end.record(stream)
    cuda.current_stream().wait_stream(stream)
    cuda.current_stream().wait_event(end)
    assert end.query()
    assert begin.elapsed_time(end) >= 0
    with cuda.device(0):
        pass


@trap
def files_of_gpus_are_read_to_the_cpu() -> None:
    for where in ("cuda", torch.device("cuda", 0), {"cpu": "cuda:0"}, "cpu", None):
        file = io.BytesIO()
        torch.save({"x": torch.ones(2)}, file)
        file.seek(0)
        assert torch.load(file, map_location=where)["x"].device.type == "cpu"


@trap
def autocast_is_that_of_the_cpu() -> None:
    layer = nn.Linear(4, 4)
    with torch.autocast(device_type="cuda", dtype=torch.bfloat16, enabled=True):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
        assert torch.is_autocast_enabled("cuda")
        assert torch.get_autocast_dtype("cuda") == torch.bfloat16
    with torch.autocast("cuda", enabled=False):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    with cuda.amp.autocast(dtype=torch.bfloat16):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16

    class Cast(torch.autograd.Function):
        @staticmethod
        @amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        @amp.custom_bwd(device_type="cuda")  # type: ignore[untyped-decorator]
        def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
            return grads[0] * 2

    cast: Any = Cast.apply
    x = torch.ones(1, requires_grad=True)
    cast(x).sum().backward()


@trap
def products_in_bfloat16_are_the_same_by_way_of_float32() -> None:
    devices = __import__("harness_stand_in.devices").devices
    half_precision = __import__("harness_stand_in.half_precision").half_precision

    def computed() -> list[torch.Tensor]:
        torch.manual_seed(0)
        x, w = (torch.randn(16, 16, requires_grad=True) for _ in range(2))
        with torch.autocast("cuda", dtype=torch.bfloat16):
            y: Any = F.linear(x, w)
            y = y @ y.T
        y.float().sum().backward()
        b = torch.randn(4, 16).bfloat16()
        found = [y, x.grad, w.grad, b @ b.T, torch.einsum("ij,kj->ik", b, b), b.mm(b.T)]
        return [tensor for tensor in found if tensor is not None]

    usual = dict(devices._SPECIAL)
    once = computed()
    devices._SPECIAL.update(half_precision.special())
    again = computed()
    with torch.no_grad():
        refused(lambda: torch.ones(2, 2).bfloat16() @ torch.ones(2, 2), expected="dtype")
    devices._SPECIAL.clear()
    devices._SPECIAL.update(usual)
    for one, other in zip(once, again, strict=True):
        assert one.dtype == other.dtype
        assert torch.allclose(one.float(), other.float(), rtol=0.02, atol=0.02)


@trap
def what_is_compiled_is_what_it_was() -> None:
    @torch.compile(fullgraph=True)
    def bare(x: torch.Tensor) -> torch.Tensor:
        return x + torch.zeros(1, device="cuda")

    plain = torch.compile(lambda x: x + 1, dynamic=False, mode="max-autotune")
    assert plain(bare(torch.ones(1))).item() == 2


@trap
def a_compiled_module_looks_like_one() -> None:
    module = nn.Linear(2, 2)
    compiled: Any = torch.compile(module, dynamic=False, fullgraph=True)
    assert compiled._orig_mod is module
    assert set(compiled.state_dict()) == {"_orig_mod.weight", "_orig_mod.bias"}
    assert compiled.weight is module.weight
    compiled.gain = 3
    assert module.gain == 3
    compiled.eval()
    assert not module.training
    compiled.train()
    assert module.training
    twin = copy.deepcopy(compiled)
    assert twin._orig_mod is not module
    assert torch.equal(twin(torch.ones(1, 2)), module(torch.ones(1, 2)))
    assert not hasattr(module, "_orig_mod")


@trap
def tables_made_in_inference_mode_can_enter_learning() -> None:
    weight = nn.Parameter(torch.ones(2))

    @torch.inference_mode()
    def table() -> torch.Tensor:
        return torch.ones(2) * 3

    with torch.inference_mode():
        made = weight.detach() * 2
    learned: Any = (weight * made * table()).sum()
    learned.backward()
    assert weight.grad is not None
    with torch.inference_mode(False):
        assert (weight * 1).requires_grad


@trap
def attention_is_there_whatever_kernel_is_asked_for() -> None:
    from torch.backends.cuda import enable_cudnn_sdp, enable_flash_sdp, enable_math_sdp
    from torch.nn.attention import SDPBackend, sdpa_kernel

    enable_cudnn_sdp(True)
    enable_flash_sdp(False)
    enable_math_sdp(False)
    q = torch.randn(1, 4, 8, 16)
    k = torch.randn(1, 2, 8, 16)
    F.scaled_dot_product_attention(q, k, k, is_causal=True, enable_gqa=True)
    with sdpa_kernel([SDPBackend.CUDNN_ATTENTION]):
        F.scaled_dot_product_attention(q, q, q, is_causal=True)
    enable_flash_sdp(True)


@trap
def attention_of_its_own_making_learns() -> None:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, 128, 128, device="cuda")
    attention: Any = torch.compile(flex_attention)
    q = torch.randn(1, 2, 128, 16, requires_grad=True)
    found = attention(q, q, q, block_mask=mask)
    found.sum().backward()
    wanted = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    assert torch.allclose(found, wanted, atol=1e-5)


@trap
def optimizers_take_what_they_take_on_a_gpu() -> None:
    weights = [nn.Parameter(torch.ones(4, device="cuda")) for _ in range(2)]
    for make in (
        functools.partial(torch.optim.Adam, fused=True),
        functools.partial(torch.optim.AdamW, fused=True),
        functools.partial(torch.optim.SGD, foreach=True),
    ):
        optimizer = make(weights, lr=0.1)
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@trap
def settings_of_the_compiler_can_be_made() -> None:
    dynamo: Any = __import__("torch._dynamo")._dynamo
    dynamo.config.optimize_ddp = False
    dynamo.reset()
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    compiler: Any = torch.compiler
    compiler.cudagraph_mark_step_begin()
    assert torch.nn.attention.sdpa_kernel.__name__ == "sdpa_kernel"


@trap
def loaders_pin_and_fork() -> None:
    data = torch.utils.data.TensorDataset(torch.arange(8))
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=1, pin_memory=True)
    assert [batch[0].cuda(non_blocking=True).sum().item() for batch in loader] == [6, 22]


@trap
def a_device_is_known_by_its_rank() -> None:
    os.environ["LOCAL_WORLD_SIZE"] = "8"
    assert cuda.device_count() == 8
    cuda.set_device(3)
    assert cuda.current_device() == 3
    del os.environ["LOCAL_WORLD_SIZE"]


def main() -> None:
    found = {}
    for name, function in TRAPS.items():
        try:
            function()
            found[name] = ""
        except BaseException:  # noqa: BLE001 - all of them are wanted
            found[name] = traceback.format_exc()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
