// The agent's microphone, or the reason in words why there is none. It must never record anything.
import { insecure, microphoneError } from "./errors.js";
/**
 * Open a microphone; the browser asks the person.
 *
 * @param deviceId One of `navigator.mediaDevices.enumerateDevices()`; the usual one where left out.
 * @throws TapError
 */
export async function openMicrophone(deviceId) {
    // By http from another host the browser has no mediaDevices at all, whatever the types say.
    const devices = navigator.mediaDevices;
    if (!devices)
        throw insecure();
    try {
        return await devices.getUserMedia({ audio: deviceId ? { deviceId: { exact: deviceId } } : true });
    }
    catch (problem) {
        throw microphoneError(problem);
    }
}
