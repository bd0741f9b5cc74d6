"""What rounds of mistreatment came to: counted by kind, and every loss by name."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """What one kind of mistreatment came to."""

    rounds: int = 0
    struck: int = 0  # rounds in which it hit: killed, out of room, or seen to be damaged
    before: int = 0  # rounds after which the state before was current
    after: int = 0  # rounds after which the state after was
    lost: int = 0


@dataclass
class Result:
    """All of it."""

    seed: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)

    def of(self, kind: str) -> Tally:
        """The tally of one kind."""
        return self.tallies.setdefault(kind, Tally())

    def summary(self) -> str:
        """In one line."""
        crashes = sum(one.rounds for kind, one in self.tallies.items() if ":" in kind)
        damages = sum(one.rounds for one in self.tallies.values()) - crashes
        lost = f"{len(self.losses)} promises broken" if self.losses else "nothing was lost"
        return f"{crashes} crashes, {damages} damages: {lost}"

    def lose(self, kind: str, what: str) -> None:
        """A promise was broken."""
        self.of(kind).lost += 1
        self.losses.append(f"{kind}: {what}")
