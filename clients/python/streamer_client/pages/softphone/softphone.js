// A softphone to try the tap with: buttons and fields to one call at a time. All that is streamed goes through `../tap`.
// It must never talk to any host but the server that stands in its field, nor keep a key.
import { byId as element } from "../shared/dom.js";
import { TapError, openMicrophone, tapCall, tapPeer } from "../tap/index.js";
import { callFrom } from "./call.js";
import { Meters, Verdicts, clock, showError, showState } from "./view.js";
const REMEMBERED = "emotion-streamer.server";
const IN_CALL = ["mute", "hold", "withdraw", "stop"];
const url = element("url");
const token = element("token");
const callId = element("call");
const file = element("file");
const microphones = element("microphone");
const notice = element("notice");
const meters = new Meters();
const verdicts = new Verdicts();
let tap = null;
let call = null;
let microphone = null;
let muted = false;
const isRecording = () => document.querySelector("[name=way]:checked")?.value === "recording";
function begin() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    url.value = localStorage.getItem(REMEMBERED) ?? `${scheme}://${location.hostname || "127.0.0.1"}:8765/v1/stream`;
    callId.value = newCallId();
    element("form").addEventListener("submit", (event) => {
        event.preventDefault();
        void start();
    });
    for (const way of document.querySelectorAll("[name=way]"))
        way.addEventListener("change", showWay);
    element("mute").addEventListener("click", () => mute(!muted));
    element("hold").addEventListener("click", () => void hold(element("hold").ariaPressed !== "true"));
    element("withdraw").addEventListener("click", () => void end("withdraw"));
    element("stop").addEventListener("click", () => void end("stop"));
    notice.addEventListener("change", () => {
        if (tap && notice.checked) {
            tap.notice();
            notice.disabled = true; // what has been told cannot be taken back
        }
    });
    microphones.addEventListener("change", () => void changeMicrophone());
    showWay();
    void listMicrophones();
}
function newCallId() {
    return `softphone-${Date.now().toString(36)}`;
}
function showWay() {
    element("recording").hidden = !isRecording();
}
/** Browsers tell the names of microphones only to a page that has been given one. */
async function listMicrophones() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    const chosen = microphones.value;
    const named = devices.filter((device) => device.kind === "audioinput" && device.deviceId && device.label);
    const options = named.map((device) => new Option(device.label, device.deviceId));
    microphones.replaceChildren(new Option("The usual one", ""), ...options);
    microphones.value = chosen;
}
async function start() {
    showError("");
    const recording = file.files?.[0];
    if (isRecording() && !recording) {
        showError("Choose a recording first.");
        file.focus();
        return;
    }
    localStorage.setItem(REMEMBERED, url.value);
    verdicts.clear();
    inCall(true);
    showState("connecting");
    try {
        microphone = await openMicrophone(microphones.value || undefined);
        void listMicrophones();
        if (isRecording()) {
            call = await callFrom(await recording.arrayBuffer(), microphone, () => void end("stop"));
            element("line").srcObject = call.remoteStream;
            tapPeer(call.connection, { ...options(), onTap: (begun) => (tap = begun) });
        }
        else {
            tap = tapCall({ ...options(), remoteStream: microphone });
        }
        element("fact-call").textContent = callId.value;
        const { analysed } = await tap.ready;
        element("fact-analysed").textContent = analysed.join(", ") || "nobody";
    }
    catch (problem) {
        showState("failed");
        showError(problem instanceof Error ? problem.message : String(problem));
        clean();
    }
}
function options() {
    return {
        url: url.value.trim(),
        token: token.value,
        callId: callId.value,
        labels: { source: "softphone" },
        notice: notice.checked,
        onEvent: (event) => verdicts.add(event),
        onLevels: (levels) => {
            meters.set(levels);
            element("clock").textContent = clock(tap?.mediaMs ?? 0);
            element("fact-lost").textContent = `${((tap?.leftOutMs ?? 0) / 1000).toFixed(1)} s`;
        },
        onState: (state) => {
            showState(state);
            if (state === "live")
                showError("");
        },
        onError,
    };
}
function onError(error) {
    showError(error.message, !error.fatal);
    if (error.fatal)
        clean();
}
function mute(isMuted) {
    muted = isMuted;
    for (const track of microphone?.getAudioTracks() ?? [])
        track.enabled = !muted;
    element("mute").ariaPressed = String(muted);
}
async function hold(isHeld) {
    element("hold").ariaPressed = String(isHeld);
    if (call)
        await call.hold(isHeld); // the tap sees it in the negotiation
    else if (isHeld)
        tap?.pause();
    else
        tap?.resume();
}
async function changeMicrophone() {
    if (!tap)
        return;
    try {
        const before = microphone;
        microphone = await openMicrophone(microphones.value || undefined);
        mute(muted);
        const sender = call?.connection.getSenders()[0];
        if (sender)
            await sender.replaceTrack(microphone.getAudioTracks()[0]); // the tap follows
        else
            tap.replaceRemote(microphone);
        for (const track of before?.getTracks() ?? [])
            track.stop();
    }
    catch (problem) {
        showError(problem instanceof Error ? problem.message : String(problem), true);
    }
}
async function end(how) {
    if (!tap)
        return;
    const stopped = await tap[how]();
    verdicts.end(stopped);
    if (how === "withdraw")
        element("summary").textContent = "The customer has objected: what was pending is removed.";
    clean();
}
/** Give everything back. */
function clean() {
    if (!document.body.classList.contains("calling"))
        return;
    call?.hangUp();
    for (const track of microphone?.getTracks() ?? [])
        track.stop();
    element("line").srcObject = null;
    tap = call = microphone = null;
    mute(false);
    element("hold").ariaPressed = "false";
    callId.value = newCallId();
    meters.set({ customer: -100, agent: -100 });
    inCall(false);
}
function inCall(calling) {
    document.body.classList.toggle("calling", calling);
    element("start").hidden = calling;
    for (const id of IN_CALL)
        element(id).hidden = !calling;
    for (const field of [url, token, callId, file, ...document.querySelectorAll("[name=way]")]) {
        field.disabled = calling;
    }
    notice.disabled = calling && notice.checked;
    element(calling ? "stop" : "start").focus();
}
begin();
