"""Reference numbers for the parity tests, computed by PyTorch's autograd and optimiser.

Modules are written by hand from the published definitions (BERT: post-LN, erf gelu, additive mask), with dropout off.
Everything is computed in float64 from inputs that float32 holds exactly, and stored with 9 significant digits, so that
the reference is more exact than the float32 results compared with it. Random inputs are multiples of 1/256, which 9
digits write exactly too. Tensors are {"shape", "data"}, row-major. A linear weight is [out, in], as in PyTorch.

Letters: B groups in a batch, N instances multiplexed together, T tokens, D hidden size, H heads, K size of a head,
F feed-forward size, L layers, V vocabulary, P positions, C classes.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as functional

torch.set_default_dtype(torch.float64)
LAYER_NORM_EPSILON = 1e-12  # BERT's
MASKED = -10000.0  # added to the score of a masked key; its exponential is exactly 0


# --- inputs and output ------------------------------------------------------------------------------------------------


def given(*shape, scale=1.0, mean=0.0):
    """Normal numbers rounded to multiples of 1/256."""
    return torch.round((torch.randn(*shape) * scale + mean) * 256) / 256


def linear_parameters(name, out_size, in_size):
    return {f"{name}.weight": given(out_size, in_size, scale=0.3), f"{name}.bias": given(out_size, scale=0.2)}


def layer_norm_parameters(name, size):
    return {f"{name}.weight": given(size, scale=0.2, mean=1.0), f"{name}.bias": given(size, scale=0.2)}


def track(tensors):
    """Asks for the gradient of each tensor of a dict."""
    for tensor in tensors.values():
        tensor.requires_grad_(True)
    return tensors


def gradients_of(tensors):
    return {name: tensor.grad for name, tensor in tensors.items()}


def encode(value, indent=""):
    """JSON with one tensor, or one dict of plain values, a line and 9 significant digits."""
    if isinstance(value, torch.Tensor):
        numbers = ",".join(f"{number + 0.0:.9g}" for number in value.detach().flatten().tolist())
        return f'{{"shape":{json.dumps(list(value.shape))},"data":[{numbers}]}}'
    if isinstance(value, dict):
        if not any(isinstance(item, (torch.Tensor, dict, list)) for item in value.values()):
            return "{" + ", ".join(f"{json.dumps(key)}: {encode(item)}" for key, item in value.items()) + "}"
        inner = indent + "  "
        rows = [f"{inner}{json.dumps(key)}: {encode(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list):
        return "[" + ", ".join(encode(item, indent) for item in value) + "]"
    return json.dumps(value) if isinstance(value, (str, int)) else f"{value:.9g}"


def write(name, case):
    Path(__file__).with_name(name).write_text(encode(case) + "\n")


# --- BERT -------------------------------------------------------------------------------------------------------------


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def layer_norm(p, name, x):
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + LAYER_NORM_EPSILON) * p[f"{name}.weight"] + p[f"{name}.bias"]


def additive_mask(attention_mask):
    """[B, T] of 1 (token) and 0 (padding) -> [B, 1, 1, T], added to the attention scores."""
    return ((1.0 - attention_mask) * MASKED)[:, None, None, :]


def bert_layer_parameters(prefix, D, F):
    return {
        **linear_parameters(f"{prefix}attention.self.query", D, D),
        **linear_parameters(f"{prefix}attention.self.key", D, D),
        **linear_parameters(f"{prefix}attention.self.value", D, D),
        **linear_parameters(f"{prefix}attention.output.dense", D, D),
        **layer_norm_parameters(f"{prefix}attention.output.LayerNorm", D),
        **linear_parameters(f"{prefix}intermediate.dense", F, D),
        **linear_parameters(f"{prefix}output.dense", D, F),
        **layer_norm_parameters(f"{prefix}output.LayerNorm", D),
    }


def bert_layer(p, prefix, x, mask, H):
    """x [B, T, D], mask [B, 1, 1, T] additive -> [B, T, D]."""
    B, T, D = x.shape
    K = D // H

    def heads(name):  # -> [B, H, T, K]
        return linear(p, f"{prefix}attention.self.{name}", x).view(B, T, H, K).transpose(1, 2)

    scores = heads("query") @ heads("key").transpose(-1, -2) / math.sqrt(K) + mask
    context = (torch.softmax(scores, -1) @ heads("value")).transpose(1, 2).reshape(B, T, D)
    attended = linear(p, f"{prefix}attention.output.dense", context)
    x = layer_norm(p, f"{prefix}attention.output.LayerNorm", attended + x)
    inner = gelu(linear(p, f"{prefix}intermediate.dense", x))
    return layer_norm(p, f"{prefix}output.LayerNorm", linear(p, f"{prefix}output.dense", inner) + x)


def bert_layer_case():
    """bert-layer.json: one encoder layer, padding in row 2; the gradients are those of sum(output * upstream)."""
    B, T, D, H, F = 2, 5, 16, 2, 32
    parameters = track(bert_layer_parameters("", D, F))
    x = given(B, T, D).requires_grad_(True)
    attention_mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    mask = additive_mask(attention_mask)
    upstream = given(B, T, D)
    output = bert_layer(parameters, "", x, mask, H)
    (output * upstream).sum().backward()
    return {
        "dims": {"B": B, "T": T, "D": D, "H": H, "F": F},
        "input": x,
        "attentionMask": attention_mask,
        "additiveMask": mask,
        "parameters": parameters,
        "output": output,
        "upstream": upstream,
        "inputGradient": x.grad,
        "gradients": gradients_of(parameters),
    }


def bert_classifier_case():
    """bert-classifier.json: a whole BERT with pooler and classifier; the gradients are those of the mean cross-entropy.

    Id 0 is only used as padding, where its gradient is exactly 0: a padding_idx makes no difference.
    """
    B, T, V, D, H, F, L, P, C = 4, 7, 23, 16, 2, 32, 2, 12, 3
    parameters = {
        "bert.embeddings.word_embeddings.weight": given(V, D, scale=0.5),
        "bert.embeddings.position_embeddings.weight": given(P, D, scale=0.5),
        "bert.embeddings.token_type_embeddings.weight": given(2, D, scale=0.5),
        **layer_norm_parameters("bert.embeddings.LayerNorm", D),
    }
    for layer in range(L):
        parameters.update(bert_layer_parameters(f"bert.encoder.layer.{layer}.", D, F))
    parameters.update(linear_parameters("bert.pooler.dense", D, D))
    parameters.update(linear_parameters("classifier", C, D))
    p = track(parameters)

    input_ids = torch.tensor(
        [[1, 5, 5, 2, 5, 9, 2], [1, 7, 7, 7, 2, 0, 0], [1, 22, 5, 2, 0, 0, 0], [1, 5, 9, 2, 7, 2, 0]]
    )
    token_type_ids = torch.tensor(
        [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 0]]
    )
    attention_mask = (input_ids != 0).long()
    labels = torch.tensor([2, 0, 1, 2])

    embedded = (
        p["bert.embeddings.word_embeddings.weight"][input_ids]
        + p["bert.embeddings.position_embeddings.weight"][:T]
        + p["bert.embeddings.token_type_embeddings.weight"][token_type_ids]
    )
    x = layer_norm(p, "bert.embeddings.LayerNorm", embedded)
    for layer in range(L):
        x = bert_layer(p, f"bert.encoder.layer.{layer}.", x, additive_mask(attention_mask), H)
    pooled = torch.tanh(linear(p, "bert.pooler.dense", x[:, 0]))
    logits = linear(p, "classifier", pooled)
    loss = functional.cross_entropy(logits, labels)
    loss.backward()
    return {
        "dims": {"B": B, "T": T, "V": V, "D": D, "H": H, "F": F, "L": L, "P": P, "C": C},
        "inputIds": input_ids,
        "tokenTypeIds": token_type_ids,
        "attentionMask": attention_mask,
        "labels": labels,
        "parameters": parameters,
        "lastHidden": x,
        "logits": logits,
        "loss": loss.item(),
        "gradients": gradients_of(parameters),
    }


# --- AdamW ------------------------------------------------------------------------------------------------------------


def adamw_case():
    """adamw.json: 4 steps of torch.optim.AdamW, each after clip_grad_norm_(1.0) over all; the rate falls linearly."""
    maximum_norm, weight_decay = 1.0, {"weight": 0.01, "embedding": 0.01, "bias": 0.0}
    initial = {"weight": given(3, 4), "embedding": given(5, 2), "bias": given(4)}
    parameters = track({name: value.clone() for name, value in initial.items()})
    optimizer = torch.optim.AdamW(
        [{"params": [parameters[name]], "weight_decay": decay} for name, decay in weight_decay.items()],
        betas=(0.9, 0.999),
        eps=1e-8,
    )
    steps = []
    for learning_rate, scale in zip([0.01, 0.0075, 0.005, 0.0025], [1.0, 0.05, 3.0, 0.1]):
        gradients = {name: given(*value.shape, scale=scale) for name, value in initial.items()}
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), maximum_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
        state = {name: optimizer.state[parameter] for name, parameter in parameters.items()}
        steps.append(
            {
                "learningRate": learning_rate,
                "gradients": gradients,
                "gradientNorm": norm.item(),
                "clippedGradients": {name: value.clone() for name, value in gradients_of(parameters).items()},
                "values": {name: value.detach().clone() for name, value in parameters.items()},
                "expAvg": {name: value["exp_avg"].clone() for name, value in state.items()},
                "expAvgSq": {name: value["exp_avg_sq"].clone() for name, value in state.items()},
            }
        )
    return {
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "maximumNorm": maximum_norm,
        "weightDecay": weight_decay,
        "initial": initial,
        "steps": steps,
    }


# --- multiplexing -----------------------------------------------------------------------------------------------------


def mux_case():
    """mux.json: Gaussian Hadamard multiplexer, second embedding pass, RSA demultiplexer of position 0, classifier.

    Row b*N + i is instance i of group b. The hidden state is given, not computed: no encoder in between. The gradients
    are those of sum(embedded * embeddedUpstream) + sum(logits * logitsUpstream); the mux keys are frozen and have none.
    """
    B, N, T, D, P, C = 2, 3, 4, 16, 6, 3
    gaussian = given(N, D)
    keys = (gaussian / gaussian.norm(dim=1, keepdim=True)).float().double()  # float32 holds them
    inputs = track({"embeddings": given(B * N, T, D), "hidden": given(B, T, D)})
    parameters = track(
        {
            "position_embeddings.weight": given(P, D, scale=0.5),
            "token_type_embeddings.row0": given(D, scale=0.5),
            **layer_norm_parameters("embeddings.LayerNorm", D),
            "demux_instance_embedding": given(N, D),
            **linear_parameters("dense_1", D, 2 * D),
            **linear_parameters("dense_2", D, D),
            **linear_parameters("pre_decoder", D, D),
            **layer_norm_parameters("pre_decoder.LayerNorm", D),
            **linear_parameters("classifier", C, D),
        }
    )
    p = parameters

    # x_mux[b, t] = mean over i of key_i * E[b, i, t]; BERT then embeds it once more: position, type 0, LayerNorm.
    multiplexed = (inputs["embeddings"].view(B, N, T, D) * keys[:, None, :]).mean(1)
    summed = multiplexed + p["position_embeddings.weight"][:T] + p["token_type_embeddings.row0"]
    embedded = layer_norm(p, "embeddings.LayerNorm", summed)

    # Every instance key is put before the group's hidden state at position 0.
    first = inputs["hidden"][:, 0]
    x0 = torch.cat([p["demux_instance_embedding"].repeat(B, 1), first.repeat_interleave(N, 0)], -1)  # [B*N, 2D]
    x1 = gelu(linear(p, "dense_1", x0))
    x2 = gelu(linear(p, "dense_2", x1)) + x1
    demultiplexed = layer_norm(p, "pre_decoder.LayerNorm", gelu(linear(p, "pre_decoder", x2))) + x2
    logits = linear(p, "classifier", demultiplexed)

    embedded_upstream, logits_upstream = given(B, T, D), given(B * N, C)
    ((embedded * embedded_upstream).sum() + (logits * logits_upstream).sum()).backward()
    return {
        "dims": {"B": B, "N": N, "T": T, "D": D, "P": P, "C": C},
        "gaussian": gaussian,
        "keys": keys,
        **inputs,
        "parameters": parameters,
        "multiplexed": multiplexed,
        "embedded": embedded,
        "demultiplexed": demultiplexed,
        "logits": logits,
        "embeddedUpstream": embedded_upstream,
        "logitsUpstream": logits_upstream,
        "inputGradients": gradients_of(inputs),
        "gradients": gradients_of(parameters),
    }


# --- pruning ----------------------------------------------------------------------------------------------------------

TEMPERATURE, LOW, HIGH = 2 / 3, -0.1, 1.1  # of the hard-concrete distribution
CLAMP = [float(torch.tensor(limit).float()) for limit in (math.log(0.01), math.log(100))]  # of logAlpha, in float32


def sample(log_alpha, uniform):
    stretched = torch.sigmoid((torch.log(uniform) - torch.log(1 - uniform) + log_alpha) / TEMPERATURE)
    return torch.clamp(stretched * (HIGH - LOW) + LOW, 0, 1)


def keep_probability(log_alpha):
    """P(z > 0)."""
    return 1 - torch.sigmoid(TEMPERATURE * math.log(-LOW / HIGH) - log_alpha)


def hard_concrete():
    """sample and sampleGradient (dz/dlogAlpha) are [logAlpha, uniform]."""
    log_alpha = torch.tensor([CLAMP[0], -2.5, -1.0, -0.25, 0.0, 0.5, 1.75, 3.0, CLAMP[1]]).requires_grad_(True)
    uniform = torch.tensor([1, 16, 64, 100, 128, 192, 230, 250, 255]) / 256
    grid = log_alpha.detach()[:, None].expand(-1, len(uniform)).clone().requires_grad_(True)
    gates = sample(grid, uniform)
    gates.sum().backward()
    probability = keep_probability(log_alpha)
    probability.sum().backward()
    return {
        "logAlpha": log_alpha,
        "uniform": uniform,
        "sample": gates,
        "sampleGradient": grid.grad,
        "keepProbability": probability,
        "keepProbabilityGradient": log_alpha.grad,
    }


def prunable_size(D, H, F, L):
    return L * H * ((4 * D * D + 4 * D) // H) + L * (2 * D * F + D + F)


def expected_size(log_alpha, D, H):
    """CoFi's: a head counts its share of weights and biases, a feed-forward unit its 2*D weights without biases."""
    p = {name: keep_probability(value) for name, value in log_alpha.items()}
    heads = (p["attention"][:, None] * p["heads"]).sum() * (((4 * D * D + 4 * D) // H) / D)
    units = (p["ffn"][:, None] * p["intermediate"]).sum() * 2
    return p["hidden"].sum() * (heads + units)


def gate_shapes(D, H, F, L):
    return {"hidden": [D], "attention": [L], "heads": [L, H], "ffn": [L], "intermediate": [L, F]}


def base_sparsity():
    """BERT-base with one logAlpha for each kind of gate: all kept (P = 1), before and after the first clamp."""
    dims = {"D": 768, "H": 12, "F": 3072, "L": 12}
    M = prunable_size(**dims)
    kinds = {"allKept": (100.0, 100.0), "allTen": (10.0, 10.0), "allClamped": (CLAMP[1], CLAMP[1])}
    kinds.update({"published": (10.0, 0.0), "publishedClamped": (CLAMP[1], 0.0)})
    cases = {}
    for name, (others, intermediate) in kinds.items():
        values = {gate: intermediate if gate == "intermediate" else others for gate in gate_shapes(**dims)}
        full = {gate: torch.full(shape, values[gate]) for gate, shape in gate_shapes(**dims).items()}
        size = expected_size(full, dims["D"], dims["H"]).item()
        cases[name] = {"logAlpha": values, "expectedSize": size, "sparsity": 1 - size / M}
    return {"dims": dims, "prunableSize": M, "cases": cases}


def small_sparsity():
    """A random case with the gradient of the sparsity, and the Lagrangian on it."""
    dims = {"D": 8, "H": 2, "F": 32, "L": 2}
    M = prunable_size(**dims)
    log_alpha = track({gate: given(*shape, scale=2.0, mean=0.5) for gate, shape in gate_shapes(**dims).items()})
    size = expected_size(log_alpha, dims["D"], dims["H"])
    sparsity = 1 - size / M
    of_sparsity = torch.autograd.grad(sparsity, list(log_alpha.values()), retain_graph=True)
    lambdas = torch.tensor([0.75, 2.5]).requires_grad_(True)
    target = 0.375
    lagrangian = lambdas[0] * (sparsity - target) + lambdas[1] * (sparsity - target) ** 2
    lagrangian.backward()
    return {
        "dims": dims,
        "prunableSize": M,
        "logAlpha": log_alpha,
        "expectedSize": size.item(),
        "sparsity": sparsity.item(),
        "sparsityGradients": dict(zip(log_alpha, of_sparsity)),
        "lagrangian": {
            "lambda1": lambdas[0].item(),
            "lambda2": lambdas[1].item(),
            "target": target,
            "value": lagrangian.item(),
            "gradients": gradients_of(log_alpha),
            "lambda1Gradient": lambdas.grad[0].item(),
            "lambda2Gradient": lambdas.grad[1].item(),
        },
    }


def distillation():
    """logits: T^2 * KL(teacher || student) at temperature T, mean over rows.
    layer: mean squared error of student @ weight.T + bias against teacher."""
    B, C, T, D, temperature = 4, 3, 5, 8, 2.0
    teacher, student = given(B, C, scale=2.0), given(B, C, scale=2.0).requires_grad_(True)
    log_student, soft_teacher = torch.log_softmax(student / temperature, -1), torch.softmax(teacher / temperature, -1)
    divergence = temperature**2 * functional.kl_div(log_student, soft_teacher, reduction="batchmean")
    divergence.backward()

    teacher_hidden = given(2, T, D)
    weight, bias = torch.eye(D) + given(D, D, scale=0.1), given(D, scale=0.1)
    layer = track({"student": given(2, T, D), "weight": weight, "bias": bias})
    error = functional.mse_loss(layer["student"] @ layer["weight"].T + layer["bias"], teacher_hidden)
    error.backward()
    return {
        "logits": {
            "temperature": temperature,
            "teacher": teacher,
            "student": student,
            "loss": divergence.item(),
            "studentGradient": student.grad,
        },
        "layer": {"teacher": teacher_hidden, **layer, "loss": error.item(), "gradients": gradients_of(layer)},
    }


def prune_case():
    """prune.json: hard-concrete gates, expected sparsity, the Lagrangian and the distillation losses of CoFi."""
    return {
        "hardConcrete": hard_concrete(),
        "baseSparsity": base_sparsity(),
        "smallSparsity": small_sparsity(),
        "distillation": distillation(),
    }


CASES = {
    "bert-layer.json": bert_layer_case,
    "bert-classifier.json": bert_classifier_case,
    "adamw.json": adamw_case,
    "mux.json": mux_case,
    "prune.json": prune_case,
}

if __name__ == "__main__":
    for seed, (name, case) in enumerate(CASES.items(), start=1):
        torch.manual_seed(seed)
        write(name, case())
