"""Reference values for the LSTM, made with PyTorch's nn.LSTM in double precision.

Needs: pip install torch numpy. Writes JSON to standard output; the first line is the command. All matrices are
written as the trainer stores them, [in, out] with the gates i, f, g, o side by side; PyTorch keeps
the transpose. PyTorch's second bias is held at zero.
"""

import json

import torch

COMMAND = "python3 tests/golden/make_lstm_golden.py > tests/golden/lstm_golden.json"


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]


def case(vocabulary, embedding, hidden, steps, batch, layers, loss_on, carried, seed):
    torch.manual_seed(seed)
    table = torch.nn.Embedding(vocabulary, embedding)
    lstm = torch.nn.LSTM(embedding, hidden, num_layers=layers)
    dense = torch.nn.Linear(hidden, vocabulary)
    parameters = [*table.parameters(), *lstm.parameters(), *dense.parameters()]
    for name, p in lstm.named_parameters():
        if name.startswith("bias_hh"):
            torch.nn.init.zeros_(p)
            p.requires_grad_(False)
        else:
            torch.nn.init.uniform_(p, -0.8, 0.8)
    # The weights are exact in single precision; everything is computed in double.
    for module in (table, lstm, dense):
        module.double()
    scale = 0.7 if carried else 0.0
    h0 = (scale * torch.randn(layers, batch, hidden)).double()
    c0 = (scale * torch.randn(layers, batch, hidden)).double()
    text = torch.randint(vocabulary, (steps + 1, batch))
    hs, (h, c) = lstm(table(text[:-1]), (h0, c0))
    logits = dense(hs)
    counted = logits[-1:] if loss_on == "last-step" else logits
    targets = text[-counted.shape[0]:]
    loss = torch.nn.functional.cross_entropy(counted.flatten(0, 1), targets.flatten())
    loss.backward()

    tensors = {"embedding.weight": table.weight}
    for i in range(layers):
        tensors[f"lstm.{i}.w_ih"] = getattr(lstm, f"weight_ih_l{i}")
        tensors[f"lstm.{i}.w_hh"] = getattr(lstm, f"weight_hh_l{i}")
        tensors[f"lstm.{i}.bias"] = getattr(lstm, f"bias_ih_l{i}")
    tensors["dense.weight"] = dense.weight
    tensors["dense.bias"] = dense.bias

    def stored(name, x):
        is_transposed = x.dim() == 2 and name != "embedding.weight"
        return numbers(x.T if is_transposed else x)

    return {
        "vocabulary": vocabulary,
        "embedding": embedding,
        "hidden": hidden,
        "layers": layers,
        "steps": steps,
        "batch": batch,
        "loss_on": loss_on,
        "tokens": text.flatten().tolist(),
        "h0": numbers(h0),
        "c0": numbers(c0),
        "weights": {n: stored(n, p) for n, p in tensors.items()},
        "logits": numbers(logits),
        "h": numbers(h),
        "c": numbers(c),
        "loss": float(loss.detach()),
        "gradients": {n: stored(n, p.grad) for n, p in tensors.items()},
    }


cases = [
    case(5, 3, 6, 7, 3, 1, "every-step", False, 1),
    case(5, 3, 6, 7, 3, 1, "last-step", False, 2),
    case(5, 3, 6, 7, 3, 2, "every-step", False, 3),
    case(7, 4, 18, 5, 4, 2, "every-step", True, 4),
]
print(json.dumps({"command": COMMAND})[:-1] + ",")
print(f'"torch": {json.dumps(torch.__version__)}, "cases": [')
print(",\n".join(json.dumps(c) for c in cases))
print("]}")
