"""The same training step in PyTorch: 4 layers x 256, batch 32 x 64, AdamW, clipping, dropout. Called by training.ts with the number of threads."""
import statistics
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
R, T, D, H, F, L, V = 32, 64, 256, 4, 1024, 4, 30522


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(V, D)
        self.places = torch.nn.Embedding(512, D)
        self.norm = torch.nn.LayerNorm(D)
        layer = torch.nn.TransformerEncoderLayer(D, H, F, 0.1, "gelu", batch_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, L)
        self.pooler = torch.nn.Linear(D, D)
        self.classifier = torch.nn.Linear(D, 2)

    def forward(self, ids):
        x = self.norm(self.words(ids) + self.places(torch.arange(T)))
        return self.classifier(torch.tanh(self.pooler(self.layers(x)[:, 0])))


model = Classifier()
optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
ids = torch.randint(0, V, (R, T))
labels = torch.arange(R) % 2
seconds = []
for step in range(8):
    start = time.perf_counter()
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(model(ids), labels).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    seconds.append(time.perf_counter() - start)
median = statistics.median(seconds[2:])
print(f"PyTorch {torch.__version__}, same step        {R / median:.1f} examples/s")
