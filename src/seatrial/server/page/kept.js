// What this tab keeps of a talk for a reload: which model, the settings, the turns. What was under way has stopped.

const KEPT = "seatrial-chat";

export function keepTalk({ chosen, form, turns }) {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ chosen, form, turns: turns.map(small) }));
  } catch {
    sessionStorage.removeItem(KEPT);
  }
}

export function keptTalk() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  const stopped = (turn) => (turn.state === "running" ? { ...turn, state: "stopped" } : turn);
  return kept && { ...kept, turns: kept.turns.map(stopped) };
}

// A tab may keep little: pictures and videos are left out, and the page says so.
function small(turn) {
  const { attachments = [], lost = [] } = turn;
  return { ...turn, attachments: [], lost: [...attachments.map(({ kind }) => kind), ...lost] };
}
