// A still of a video, and its length, as far as this browser can play it.

import { make } from "./markdown.js";

const PATIENCE_MS = 4000;
const LONG_EDGE = 448;

// `address` is a file's (`blob:…`). Gives { image, width, height, seconds }; what this browser cannot tell is left out.
export async function stillOf(address) {
  const player = make("video");
  player.muted = player.playsInline = true;
  player.preload = "auto";
  player.src = address;
  try {
    await happened(player, "loadeddata");
    if (Number.isFinite(player.duration)) {
      // Past the first frame, which is often black.
      player.currentTime = Math.min(1, player.duration / 2);
      await happened(player, "seeked");
    }
    return { ...drawn(player), seconds: length(player) };
  } catch {
    return { seconds: length(player) };
  } finally {
    player.removeAttribute("src");
    player.load();
  }
}

// 75 seconds read "1:15", an hour "1:00:00".
export function clock(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const pair = (value) => String(value).padStart(2, "0");
  return `${hours ? `${hours}:${pair(minutes)}` : minutes}:${pair(whole % 60)}`;
}

function drawn(player) {
  const { videoWidth: width, videoHeight: height } = player;
  const scale = Math.min(1, LONG_EDGE / Math.max(width, height));
  const canvas = make("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(player, 0, 0, canvas.width, canvas.height);
  return { image: canvas.toDataURL("image/jpeg", 0.8), width, height };
}

const length = ({ duration }) => (Number.isFinite(duration) ? duration : undefined);

function happened(player, event) {
  return new Promise((resolve, reject) => {
    player.addEventListener(event, resolve, { once: true });
    player.addEventListener("error", reject, { once: true });
    setTimeout(reject, PATIENCE_MS);
  });
}
