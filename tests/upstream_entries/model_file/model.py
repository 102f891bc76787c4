"""The model of train_gpt.py, and how its weights become bytes."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CastedLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Rotary(nn.Module):
    def __init__(self, dim: int, base: float):
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / base ** (torch.arange(0, dim, 2).float() / dim), persistent=False)
        self._seq_len_cached = 0

    def forward(self, seq_len: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        if self._seq_len_cached != seq_len:
            freqs = torch.outer(torch.arange(seq_len, device=device).float(), self.inv_freq.to(device).float())
            self._cos_cached, self._sin_cached, self._seq_len_cached = freqs.cos(), freqs.sin(), seq_len
        return self._cos_cached.to(dtype), self._sin_cached.to(dtype)


def apply_rotary_emb(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((x1 * cos + x2 * sin, x2 * cos - x1 * sin), dim=-1)


class CausalSelfAttention(nn.Module):
    def __init__(self, dim: int, num_heads: int, num_kv_heads: int, rope_base: float, qk_gain_init: float):
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, dim // num_heads
        self.c_q = CastedLinear(dim, dim, bias=False)
        self.c_k = CastedLinear(dim, num_kv_heads * self.head_dim, bias=False)
        self.c_v = CastedLinear(dim, num_kv_heads * self.head_dim, bias=False)
        self.proj = CastedLinear(dim, dim, bias=False)
        self.q_gain = nn.Parameter(torch.full((num_heads,), qk_gain_init))
        self.rotary = Rotary(self.head_dim, rope_base)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        q = self.c_q(x).view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.c_k(x).view(B, T, self.num_kv_heads, self.head_dim).transpose(1, 2)
        v = self.c_v(x).view(B, T, self.num_kv_heads, self.head_dim).transpose(1, 2)
        cos, sin = self.rotary(T, x.device, q.dtype)
        q = apply_rotary_emb(F.rms_norm(q, (self.head_dim,)), cos, sin) * self.q_gain.to(q.dtype)[:, None, None]
        k = apply_rotary_emb(F.rms_norm(k, (self.head_dim,)), cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.num_kv_heads != self.num_heads)
        return self.proj(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, dim: int, mlp_mult: float):
        super().__init__()
        self.fc = CastedLinear(dim, int(mlp_mult * dim), bias=False)
        self.proj = CastedLinear(int(mlp_mult * dim), dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(torch.relu(self.fc(x)).square())


class Block(nn.Module):
    def __init__(self, dim: int, num_heads: int, num_kv_heads: int, mlp_mult: float, rope_base: float, qk_gain_init: float):
        super().__init__()
        self.attn = CausalSelfAttention(dim, num_heads, num_kv_heads, rope_base, qk_gain_init)
        self.mlp = MLP(dim, mlp_mult)
        self.attn_scale = nn.Parameter(torch.ones(dim))
        self.mlp_scale = nn.Parameter(torch.ones(dim))
        nn.init.zeros_(self.attn.proj.weight)
        nn.init.zeros_(self.mlp.proj.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn_scale.to(x.dtype) * self.attn(F.rms_norm(x, (x.size(-1),)))
        return x + self.mlp_scale.to(x.dtype) * self.mlp(F.rms_norm(x, (x.size(-1),)))


class GPT(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.logit_softcap = args.logit_softcap
        self.tok_emb = nn.Embedding(args.vocab_size, args.model_dim)
        self.blocks = nn.ModuleList(
            Block(args.model_dim, args.num_heads, args.num_kv_heads, args.mlp_mult, args.rope_base, args.qk_gain_init)
            for _ in range(args.num_layers)
        )
        nn.init.normal_(self.tok_emb.weight, std=args.tied_embed_init_std)

    def forward(self, input_ids: Tensor, targets: Tensor | None = None) -> Tensor:
        x = self.tok_emb(input_ids)
        x = F.rms_norm(x, (x.size(-1),))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(F.rms_norm(x, (x.size(-1),)), self.tok_emb.weight.to(x.dtype)).float()
        logits = self.logit_softcap * torch.tanh(logits / self.logit_softcap)
        if targets is None:
            return logits
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


def restore_low_dim_params_to_fp32(module: nn.Module) -> None:
    for param in module.parameters():
        if param.ndim < 2:
            param.data = param.data.float()


def quantize_int6_per_row(t: Tensor) -> tuple[Tensor, Tensor]:
    scale = (t.float().abs().amax(dim=1) / 31.0).clamp_min(1e-8).to(torch.float16)
    return torch.clamp(torch.round(t.float() / scale.float()[:, None]), -31, 31).to(torch.int8), scale


def mixed_quantize_int6(state_dict: dict[str, Tensor]):
    """Matrices of the blocks in 6 bits, the embedding in 8, the rest as it is."""
    result, meta = {}, {}
    for name, tensor in state_dict.items():
        t = tensor.detach().cpu().contiguous()
        if t.ndim != 2:
            result[name], meta[name] = t.to(torch.float16), "passthrough"
        elif "tok_emb" in name:
            scale = (t.float().abs().amax(dim=1) / 127.0).clamp_min(1e-8).to(torch.float16)
            q = torch.clamp(torch.round(t.float() / scale.float()[:, None]), -127, 127).to(torch.int8)
            result[name + ".q"], result[name + ".scale"], meta[name] = q, scale, {"type": "int8"}
        else:
            result[name + ".q"], result[name + ".scale"] = quantize_int6_per_row(t)
            meta[name] = {"type": "int6"}
    return result, meta


def dequantize_mixed_int6(result: dict[str, Tensor], meta: dict, template_sd: dict[str, Tensor]) -> dict[str, Tensor]:
    out = {}
    for name, orig in template_sd.items():
        if meta[name] == "passthrough":
            out[name] = result[name].to(orig.dtype)
        else:
            out[name] = (result[name + ".q"].float() * result[name + ".scale"].float()[:, None]).to(orig.dtype)
    return out

