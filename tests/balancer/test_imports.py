"""What a balancer does not need."""

import subprocess
import sys


def test_importing_the_balancer_imports_neither_playwright_nor_a_worker() -> None:
    code = (
        "import sys, balancer.__main__\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('playwright', 'worker')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
