"""Make an environment with a CPU build of torch usable: ``python -m tests.lmm_integration.vllm.engine.cpu_builds``.

vLLM's build for CPUs asks for torchvision, torchaudio and torchcodec. Where only PyPI can be reached, those are built
for CUDA and fail when imported. The last two are only for sound, and go; torchvision's transforms are plain torch, and
work once the two operators that its start asks for are declared.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

FINDER = '''\
"""Declares the operators of a torchvision that was built for CUDA, when it is imported beside a torch without."""
import importlib.abc
import sys


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            self.library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                self.library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")


FINDER = Finder()
sys.meta_path.insert(0, FINDER)
'''


def imports(package: str) -> bool:
    """Whether a package can be imported, or is not there."""
    code = f"import importlib.util as u; u.find_spec({package!r}) and __import__({package!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def main() -> None:
    """Repair what cannot be imported."""
    for package in ("torchaudio", "torchcodec"):
        if not imports(package):
            subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", package], check=True)
    if not imports("torchvision"):
        packages = Path(sysconfig.get_path("purelib"))
        (packages / "torchvision_on_cpu.py").write_text(FINDER)
        (packages / "torchvision_on_cpu.pth").write_text("import torchvision_on_cpu\n")
    for package in ("torchvision", "torchaudio", "torchcodec"):
        if not imports(package):
            sys.exit(f"{package} still cannot be imported")


if __name__ == "__main__":
    main()
