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


class Classifier(nn.Module):
    """Of sequences of values, by its output at the last step."""

    def __init__(self, channels, hidden, classes):
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, batch_first=True)
        self.dense = nn.Linear(hidden, classes)

    def forward(self, values):
        outputs, _ = self.lstm(values)
        return self.dense(outputs[:, -1])


def problem(name):
    """A network, a batch and what it is to tell."""
    if name == "D":
        rows, steps, channels, classes = 16, 100, 6, 4
        inputs, targets = torch.randn(rows, steps, channels), torch.randint(classes, (rows,))
        return Classifier(channels, 32, classes), inputs, targets
    last_step = name == "A"
    text = torch.randint(SYMBOLS, (ROWS, STEPS + 1))
    targets = (text[:, -1] if last_step else text[:, 1:]).flatten()
    return Network({"A": 64, "B": 256}[name], last_step), text[:, :-1].contiguous(), targets


def training(name):
    """A function that trains one batch, as a loop for PyTorch usually does."""
    torch.manual_seed(1)
    network, inputs, targets = problem(name)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def batch():
        optimizer.zero_grad()
        logits = network(inputs).flatten(0, -2)
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
