"""Trains a network with four tanh units on the exclusive or and writes `xor-net.safetensors`.

    python -m venv venv && venv/bin/pip install torch safetensors numpy
    venv/bin/python cases/data/xor_net.py

Full-batch gradient descent with weight decay, in binary32, from PyTorch's own initialisation with seed 2. The
committed file was written with torch 2.15.0; another version or machine may end at slightly other weights. The
claims rest on the numbers in the file, which this prints, and not on how they came about.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 4)
        self.fc2 = nn.Linear(4, 1, bias=False)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x))).squeeze(1)


torch.manual_seed(2)
X = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
y = torch.tensor([-1.0, 1.0, 1.0, -1.0])
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-3)
for _ in range(2000):
    optimizer.zero_grad()
    loss = torch.mean((net(X) - y) ** 2) / 2
    loss.backward()
    optimizer.step()
save_file(net.state_dict(), Path(__file__).parent / "xor-net.safetensors")
print("loss", loss.item())
for name, tensor in net.state_dict().items():
    print(name, list(tensor.shape), tensor.tolist())
