"""The story of the demo: what Ada types and presses, and what she waits to see."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.demo.handbook import Handbook, Question
from bot.demo.screen import Screen
from bot.demo.summary import Score, Summary
from bot.local_slack.person import Message, NotSeen, Person
from core.clock import AdjustableClock

MINUTE = 60.0
"""Seconds."""
IDLE_FOR = timedelta(hours=3)
_ENDED_BADLY = ("could not be prepared", "Failed", "The deployment failed", "cancelled")
_LOSSES = re.compile(r"([\d.]+) → ([\d.]+)")


@dataclass(frozen=True)
class Scene:
    """Who plays, before whom, and what is noted down."""

    person: Person
    bot_user_id: str
    screen: Screen
    clock: AdjustableClock
    summary: Summary
    folder: Path


def tell_story(scene: Scene, handbook: Handbook) -> None:
    """Live the life of a model; raises NotSeen or SlackRefused at the first thing that does not happen."""
    phase, heading = scene.summary.phase, scene.screen.heading
    heading("1. Can this machine fine-tune the model?")
    with phase("validate"):
        runs(scene, "/ft-validate")
        scene.person.sees("this-machine", timeout=MINUTE)
    heading("2. Prepare the handbook of this bot as a dataset")
    with phase("data"):
        runs(scene, f"/ft-data {handbook.rows_file} {handbook.data_arguments}")
        sees_card(scene, "Dataset", "Ready", MINUTE)
    heading("3. Ask the model before tuning")
    with phase("deploy untuned"):
        untuned = deploy(scene, "SmolLM2-135M-Instruct")
    with phase("ask untuned"):
        ask_all(scene, untuned, handbook.held_out, handbook.general, scene.summary.before)
    with phase("tear down untuned"):
        tear_down(scene, untuned)
    heading("4. Fine-tune")
    with phase("fine-tune"):
        job = fine_tune(scene, handbook)
    heading("5. Deploy the tuned model and ask again")
    with phase("deploy tuned"):
        tuned = deploy(scene, job)
    with phase("ask tuned"):
        ask_all(scene, tuned, handbook.held_out, handbook.general, scene.summary.after)
    heading("6. Chat with it in the thread")
    with phase("chat"):
        chat(scene, tuned, handbook)
    heading("7. Nobody uses it")
    with phase("idle reminder and tear down"):
        wait_until_idle(scene)
        tear_down(scene, tuned)


def runs(scene: Scene, command: str) -> None:
    """Type a slash command."""
    scene.screen.typed("ada", command)
    scene.person.runs(command)


def confirm(scene: Scene, command: str, title: str, button: str) -> None:
    """Type a command that answers with a plan, and press the plan's button."""
    runs(scene, command)
    plan = scene.person.sees(lambda m: title in m.words() and button in m.buttons, timeout=MINUTE)
    scene.screen.note(f"Ada presses “{button}”.")
    scene.person.clicks(plan, button)
    scene.person.sees_again(plan, "Confirmed by", timeout=MINUTE)


def sees_card(scene: Scene, what: str, state: str, timeout: float) -> Message:
    """Return the newest card of `what` once it shows `state`.

    Raises NotSeen as soon as it shows that it failed, or after `timeout` seconds.
    """

    def ended(message: Message) -> bool:
        words = message.words()
        return what in message.text + words and any(sign in words for sign in (state, *_ENDED_BADLY))

    card = scene.person.sees(ended, timeout=timeout)
    if state not in card.words():
        replies = "\n".join(str(reply) for reply in scene.person.thread(card))
        raise NotSeen(f"{what} was to become {state!r}; it says\n{replies}")
    return card


def deploy(scene: Scene, model: str) -> str:
    """Deploy a job's model or a base model; return the endpoint's name once it serves."""
    confirm(scene, f"/ft-deploy {model} instance_type=Local_CPU", "Deploy", "Deploy")
    plan = scene.person.sees(lambda m: m.words().startswith("Deploy ") and "Confirmed by" in m.words())
    name = re.search(r"Endpoint\W+([a-z][\w-]+)", plan.words())
    if name is None:
        raise NotSeen(f"the plan names no endpoint:\n{plan}")
    sees_card(scene, name[1], "Serving", 3 * MINUTE)
    return name[1]


def fine_tune(scene: Scene, handbook: Handbook) -> str:
    """Launch the fine-tune and watch it to the registered model; return the job's id and note the losses."""
    confirm(scene, f"/ft-launch {handbook.launch_arguments}", "Fine-tune", "Start the fine-tune")
    plan = scene.person.sees(lambda m: m.words().startswith("Fine-tune ") and "Confirmed by" in m.words())
    job = str(re.findall(r"ft-[a-z0-9]+", plan.words())[-1])
    runs(scene, f"/ft-status {job}")
    card = sees_card(scene, job, "registered as", 15 * MINUTE)
    losses = _LOSSES.search(card.words())
    if losses:
        scene.summary.loss_before, scene.summary.loss_after = float(losses[1]), float(losses[2])
    return job


def ask_all(
    scene: Scene, endpoint: str, held_out: Sequence[Question], general: Sequence[Question], score: Score
) -> None:
    """Put every question to the endpoint by `/ft-ask`, each on its own, and score the answers."""
    for question in held_out:
        right = question.is_right(ask(scene, endpoint, question))
        score.asked += 1
        score.right += right
    for question in general:
        right = question.is_right(ask(scene, endpoint, question))
        score.general_asked += 1
        score.general_right += right
    scene.screen.note(f"{score} held-out answers right; {score.general_right} of {score.general_asked} general ones.")


def ask(scene: Scene, endpoint: str, question: Question) -> str:
    """Ask one question and return the whole answer as Slack shows it."""
    runs(scene, f"/ft-ask {endpoint} temperature=0 max_new_tokens=64 {question.text}")
    asked = scene.person.sees(lambda m: question.text in m.words() and endpoint in m.words(), timeout=MINUTE)
    answer = scene.person.sees(lambda m: is_answer(scene, m), thread=asked, after=asked, timeout=MINUTE)
    return answer.words()


def is_answer(scene: Scene, message: Message) -> bool:
    """Return whether this is something the bot said to its end."""
    return message.user == scene.bot_user_id and not message.streaming and bool(message.words().strip())


def chat(scene: Scene, endpoint: str, handbook: Handbook) -> None:
    """Talk with the model in its endpoint's thread, by mentioning the bot."""
    card = sees_card(scene, endpoint, "Serving", MINUTE)
    for text in handbook.chat:
        said = scene.person.says(f"<@{scene.bot_user_id}> {text}", thread=card)
        scene.person.sees(lambda m: is_answer(scene, m), thread=card, after=said, timeout=MINUTE)


def wait_until_idle(scene: Scene) -> None:
    """Move every clock forward until the endpoint's owner is reminded."""
    hours = IDLE_FOR.total_seconds() / 3600
    scene.screen.note(f"The demo moves its clock forward by {hours:.0f} hours; nobody asks the model anything.")
    scene.clock.advance(IDLE_FOR)
    reminder = scene.person.sees("No requests for", timeout=MINUTE)
    scene.screen.note("Ada presses “Keep a while”.")
    scene.person.clicks(reminder, "Keep a while")
    scene.person.sees("Kept", thread=reminder, after=reminder, timeout=MINUTE)


def tear_down(scene: Scene, endpoint: str) -> None:
    """Delete the endpoint and see that its billing has stopped."""
    confirm(scene, f"/ft-teardown {endpoint}", "Delete the endpoint", "Delete the endpoint")
    sees_card(scene, endpoint, "Billing stopped", 2 * MINUTE)
