"""Times training batches of PyTorch on request, beside what engines.rs trains.

A request is a line "MODEL THREADS BATCHES", the answer the milliseconds of each batch. The first
request is "version".
"""

import sys
import time

import torch
from torch import nn

ROWS, STEPS, SYMBOLS, EMBEDDING = 128, 40, 27, 64


class Network(nn.Module):
    def __init__(self, hidden, last_step):
        super().__init__()
        self.last_step = last_step
        self.embedding = nn.Embedding(SYMBOLS, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, hidden, batch_first=True)
        self.dense = nn.Linear(hidden, SYMBOLS)

    def forward(self, tokens):
        outputs, _ = self.lstm(self.embedding(tokens))
        return self.dense(outputs[:, -1] if self.last_step else outputs)


def training(name):
    """A function that trains one batch, as a loop for PyTorch usually does."""
    torch.manual_seed(1)
    last_step = name == "A"
    network = Network({"A": 64, "B": 256}[name], last_step)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    text = torch.randint(SYMBOLS, (ROWS, STEPS + 1))
    inputs = text[:, :-1].contiguous()
    targets = (text[:, -1] if last_step else text[:, 1:]).flatten()

    def batch():
        optimizer.zero_grad()
        logits = network(inputs).reshape(-1, SYMBOLS)
        nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()

    return batch


models = {}
for line in sys.stdin:
    if line.strip() == "version":
        print(torch.__version__, flush=True)
        continue
    name, threads, batches = line.split()
    if name not in models:
        models[name] = training(name)
    batch = models[name]
    torch.set_num_threads(int(threads))
    times = []
    for _ in range(int(batches)):
        start = time.perf_counter()
        batch()
        times.append(f"{(time.perf_counter() - start) * 1e3:.3f}")
    print(" ".join(times), flush=True)
