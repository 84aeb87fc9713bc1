"""Reinforcement learning: a pole is balanced on a cart by proximal policy optimization.

Eight carts of Gymnasium's CartPole-v1 move side by side (`pip install nnabla[rl]`). A network says how likely it
pushes to the left or to the right, and how many points it expects. What you learn: log probabilities chosen by an
index (`F.one_hot`), losses with several terms, and graphs of two batch sizes on the same parameters.

The result is the mean return of 20 episodes with the likelier push, 500 at most. The exit status is 1 below 400.

Source: Schulman et al., "Proximal Policy Optimization Algorithms", arXiv:1707.06347; "High-Dimensional Continuous
Control Using Generalized Advantage Estimation", arXiv:1506.02438.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, start, updates

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

CARTS, STEPS = 8, 64
EPOCHS, MINIBATCH = 6, 128
DISCOUNT, LAMBDA = 0.99, 0.95
CLIP, VALUE_WEIGHT, ENTROPY_WEIGHT = 0.2, 0.5, 0.005
STATE, PUSHES = 4, 2


def network(state: nn.Variable) -> tuple[nn.Variable, nn.Variable]:
    """Log probabilities ``(B, 2)`` of the pushes and values ``(B, 1)`` for states ``(B, 4)``."""
    with nn.parameter_scope("policy"):
        h = F.tanh(PF.affine(F.tanh(PF.affine(state, 64, name="first")), 64, name="second"))
        scores = PF.affine(h, PUSHES, w_init=nn.initializer.NormalInitializer(0.01), name="scores")
    with nn.parameter_scope("value"):
        h = F.tanh(PF.affine(F.tanh(PF.affine(state, 64, name="first")), 64, name="second"))
        return F.log_softmax(scores), PF.affine(h, 1, name="points")


class Learner:
    """The loss of PPO on minibatches, and its solver."""

    def __init__(self) -> None:
        self.state = nn.Variable((MINIBATCH, STATE))
        self.pushed = nn.Variable((MINIBATCH, 1))
        # What the policy that played said, how much better than expected it went, and what was collected.
        self.old, self.advantage, self.target = (nn.Variable((MINIBATCH, 1)) for _ in range(3))
        log_p, value = network(self.state)
        chosen = F.sum(log_p * F.one_hot(self.pushed, (PUSHES,)), axis=1, keepdims=True)
        ratio = F.exp(chosen - self.old)
        clipped = F.clip_by_value(ratio, 1 - CLIP, 1 + CLIP)
        gain = F.mean(F.minimum2(ratio * self.advantage, clipped * self.advantage))
        entropy = -F.mean(F.sum(F.exp(log_p) * log_p, axis=1))
        self.loss = VALUE_WEIGHT * F.mean((value - self.target) ** 2) - gain - ENTROPY_WEIGHT * entropy
        self.solver = S.Adam(1e-3)
        self.solver.set_parameters(nn.get_parameters())

    def learn(self, played: dict[str, np.ndarray], random: np.random.RandomState) -> None:
        """Go over what was played, some times, in a new order each time."""
        count = len(played["state"])
        for _ in range(EPOCHS):
            order = random.permutation(count)
            for first in range(0, count, MINIBATCH):
                rows = order[first : first + MINIBATCH]
                for name, values in played.items():
                    getattr(self, name).d = values[rows]
                self.loss.forward(clear_no_need_grad=True)
                self.solver.zero_grad()
                self.loss.backward(clear_buffer=True)
                self.solver.clip_grad_by_norm(0.5)
                self.solver.update()


def advantages(rewards: np.ndarray, values: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """How much more was collected than expected, by generalized advantage estimation.

    Args:
        rewards: of each step, shape ``(T, B)``.
        values: expected before each step, and after the last, shape ``(T + 1, B)``.
        ended: 1 where the episode ended with the step, else 0, shape ``(T, B)``.
    """
    found = np.zeros_like(rewards)
    later = np.zeros(rewards.shape[1])
    for t in range(len(rewards) - 1, -1, -1):
        surprise = rewards[t] + DISCOUNT * values[t + 1] * (1 - ended[t]) - values[t]
        later = surprise + DISCOUNT * LAMBDA * (1 - ended[t]) * later
        found[t] = later
    return found


class Players:
    """Eight carts that are pushed at random, as likely as the network says."""

    def __init__(self, seed: int, random: np.random.RandomState) -> None:
        self.carts = [gymnasium.make("CartPole-v1") for _ in range(CARTS)]
        self.states = np.stack([cart.reset(seed=seed + i)[0] for i, cart in enumerate(self.carts)])
        self.random = random
        self.state = nn.Variable((CARTS, STATE))
        self.log_p, self.value = network(self.state)
        self.collected = np.zeros(CARTS)
        self.returns: list[float] = []

    def think(self) -> tuple[np.ndarray, np.ndarray]:
        """Log probabilities and values of the present states."""
        self.state.d = self.states
        nn.forward_all([self.log_p, self.value], clear_buffer=True)
        return self.log_p.d.copy(), self.value.d[:, 0].copy()

    def play(self) -> dict[str, np.ndarray]:
        """Some steps of each cart, as columns for the learner."""
        states, pushed, old = [], [], []
        rewards, values, ended = (np.zeros((STEPS + 1, CARTS)) for _ in range(3))
        for t in range(STEPS):
            log_p, values[t] = self.think()
            pushes = (self.random.rand(CARTS) < np.exp(log_p[:, 1])).astype(int)
            states.append(self.states.copy())
            pushed.append(pushes)
            old.append(log_p[np.arange(CARTS), pushes])
            for i, cart in enumerate(self.carts):
                self.states[i], rewards[t, i], fell, cut, _ = cart.step(pushes[i])
                self.collected[i] += rewards[t, i]
                ended[t, i] = fell or cut
                if fell or cut:
                    self.returns.append(self.collected[i])
                    self.collected[i] = 0
                    self.states[i] = cart.reset()[0]
        values[STEPS] = self.think()[1]
        # Points of 100 and more are learned faster as numbers around 1.
        advantage = advantages(0.1 * rewards[:STEPS], values, ended[:STEPS])
        columns = {"pushed": np.stack(pushed), "old": np.stack(old), "target": advantage + values[:STEPS]}
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        found = {name: array.reshape(-1, 1) for name, array in {**columns, "advantage": advantage}.items()}
        return {**found, "state": np.concatenate(states)}


def tested_returns(episodes: int, seed: int) -> list[float]:
    """Returns of episodes in which the likelier push is taken."""
    cart: Any = gymnasium.make("CartPole-v1")
    state = nn.Variable((1, STATE))
    log_p, _ = network(state)
    returns = []
    for episode in range(episodes):
        state.d, _ = cart.reset(seed=seed + episode)
        total, over = 0.0, False
        while not over:
            log_p.forward(clear_buffer=True)
            state.d, reward, fell, cut, _ = cart.step(int(log_p.d.argmax()))
            total += reward
            over = fell or cut
        returns.append(total)
    return returns


def save_figure(returns: list[float], tested: list[float], path: Path) -> None:
    """Write the returns of all episodes into one PNG."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(returns, ".", markersize=3, color="#0072B2", label="training, pushed at random")
    axes.axhline(np.mean(tested), color="#D55E00", label=f"test, likelier push: {np.mean(tested):.0f}")
    axes.set(xlabel="episode", ylabel="return", title="CartPole-v1, proximal policy optimization", ylim=(0, 520))
    axes.legend(frameon=False, loc="center left")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds mean returns of the first and last episodes and of the test."""
    args = example_parser(__doc__, iterations=120).parse_args(argv)
    random = start(args)
    players, learner = Players(args.seed, random), Learner()
    with updates(args.iterations, "512 steps") as progress:
        for iteration in progress:
            learner.solver.set_learning_rate(1e-3 * (1 - iteration / args.iterations))
            learner.learn(players.play(), random)
            progress.set_postfix({"return": f"{np.mean(players.returns[-20:]):.0f}"}, refresh=False)
    tested = tested_returns(20, seed=args.seed + 1000)
    save_figure(players.returns, tested, args.output / "reinforcement_learning.png")
    result = {
        "first": float(np.mean(players.returns[:20])),
        "last": float(np.mean(players.returns[-20:])),
        "tested": float(np.mean(tested)),
    }
    print(f"result: a pole balanced for {result['tested']:.0f} of 500 steps on average")
    return {**result, "passed": result["tested"] >= 400}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
