"""Runs algorithms of nnabla-rl on this package: `python tools/try_nnabla_rl.py`.

    python -m venv rl
    rl/bin/pip install . "numpy<2" "gym<0.26" gymnasium opencv-python packaging tqdm
    rl/bin/pip install --no-deps nnabla-rl
    rl/bin/python tools/try_nnabla_rl.py

Each algorithm trains for a few thousand steps on Gymnasium's Pendulum-v1 or CartPole-v1, through nnabla-rl's wrappers,
in a process of its own that is given up after a time. The lines printed are rows of docs/clients.md.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import gym
import gymnasium
import nnabla_rl.algorithms as A
import numpy as np
from nnabla_rl.builders import ModelBuilder, SolverBuilder
from nnabla_rl.environments.wrappers import NumpyFloat32Env
from nnabla_rl.environments.wrappers.gymnasium import Gymnasium2GymWrapper
from nnabla_rl.models.q_function import DiscreteQFunction

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S

LIMIT = 150


class SmallQ(DiscreteQFunction):
    """Values of all actions for states that are vectors; nnabla-rl's own networks for DQN are for images."""

    def __init__(self, scope_name: str, actions: int) -> None:
        super().__init__(scope_name)
        self.actions = actions

    def all_q(self, s: nn.Variable) -> nn.Variable:
        with nn.parameter_scope(self.scope_name):
            h = F.relu(PF.affine(s, 64, name="first"))
            h = F.relu(PF.affine(h, 64, name="second"))
            return PF.affine(h, self.actions, name="values")


class SmallQBuilder(ModelBuilder):
    def build_model(self, scope_name: str, env_info: Any, algorithm_config: Any, **options: Any) -> SmallQ:
        return SmallQ(scope_name, env_info.action_dim)


class AdamBuilder(SolverBuilder):
    def build_solver(self, env_info: Any, algorithm_config: Any, **options: Any) -> Any:
        return S.Adam(algorithm_config.learning_rate)


def dqn(env: gym.Env) -> Any:
    config = A.DQNConfig(
        gpu_id=-1,
        learning_rate=1e-3,
        start_timesteps=200,
        replay_buffer_size=10000,
        max_explore_steps=2000,
        target_update_frequency=200,
        learner_update_frequency=1,
        final_epsilon=0.05,
        test_epsilon=0.0,
    )
    return A.DQN(env, config=config, q_func_builder=SmallQBuilder(), q_solver_builder=AdamBuilder())


# Environment, steps, and how the algorithm is made.
ALGORITHMS: dict[str, tuple[str, int, Callable[[gym.Env], Any]]] = {
    "DDPG": ("Pendulum-v1", 1500, lambda env: A.DDPG(env, A.DDPGConfig(gpu_id=-1, start_timesteps=200))),
    "TD3": ("Pendulum-v1", 1500, lambda env: A.TD3(env, A.TD3Config(gpu_id=-1, start_timesteps=200))),
    "SAC": ("Pendulum-v1", 1000, lambda env: A.SAC(env, A.SACConfig(gpu_id=-1, start_timesteps=200))),
    "PPO": (
        "Pendulum-v1",
        4096,
        lambda env: A.PPO(env, A.PPOConfig(gpu_id=-1, actor_num=2, actor_timesteps=256, epochs=10, batch_size=64)),
    ),
    "TRPO": ("Pendulum-v1", 3000, lambda env: A.TRPO(env, A.TRPOConfig(gpu_id=-1, num_steps_per_iteration=1000))),
    "REINFORCE": (
        "CartPole-v1",
        3000,
        lambda env: A.REINFORCE(env, A.REINFORCEConfig(gpu_id=-1, num_rollouts_per_train_iteration=5)),
    ),
    "DQN": ("CartPole-v1", 4000, dqn),
}


def make_env(name: str, seed: int) -> gym.Env:
    """An environment of Gymnasium as nnabla-rl takes it."""
    env = NumpyFloat32Env(Gymnasium2GymWrapper(gymnasium.make(name)))
    env.seed(seed)
    return env


def mean_return(algorithm: Any, env: gym.Env, episodes: int = 5) -> float:
    """Of episodes in which the algorithm acts without exploring."""
    total = 0.0
    for _ in range(episodes):
        state, done = env.reset(), False
        while not done:
            state, reward, done, _ = env.step(algorithm.compute_eval_action(state))
            total += float(reward)
    return total / episodes


def try_one(name: str) -> None:
    """Train with one algorithm, and print its row."""
    logging.disable(logging.INFO)
    environment, steps, make = ALGORITHMS[name]
    nn.seed(1)
    np.random.seed(1)
    env, test_env = make_env(environment, 1), make_env(environment, 2)
    algorithm = make(env)
    before = mean_return(algorithm, test_env)
    started = time.perf_counter()
    algorithm.train(env, total_iterations=steps)
    seconds = time.perf_counter() - started
    after = mean_return(algorithm, test_env)
    print(f"| {name} | {environment} | {steps} | {seconds:.1f} | {before:.0f} | {after:.0f} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ALGORITHMS)}; default: all")
    parser.add_argument("--here", action="store_true", help="in this process")
    args = parser.parse_args()
    if args.here:
        for name in args.names:
            try_one(name)
        return 0
    failed = 0
    for name in args.names or ALGORITHMS:
        command = [sys.executable, __file__, "--here", name]
        try:
            failed += subprocess.run(command, timeout=LIMIT, check=False).returncode != 0
        except subprocess.TimeoutExpired:
            print(f"{name}: not done after {LIMIT} s", flush=True)
            failed += 1
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
