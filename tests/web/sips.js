// For the tests: two softphones of each library in one page, real SIP between them, without a SIP server: what one
// sends, the other receives. Media is real WebRTC.

/** A pair of pipes: whatever goes into one comes out of the other, later. */
function pipes() {
  const ends = [0, 1].map(() => ({ received: () => undefined }));
  ends.forEach((end, i) => (end.send = (text) => setTimeout(() => ends[1 - i].received(text))));
  return ends;
}

/** SIP.js: the caller's `Inviter` and the agent's `Invitation`, established. */
export async function sipJsCall(callerStream, agentStream) {
  const sip = await import("/node_modules/sip.js/lib/index.js");
  const [forCaller, forAgent] = pipes();
  const wire = (pipe) =>
    class {
      state = sip.TransportState.Connected;
      stateChange = new sip.EmitterImpl();
      protocol = "WS";
      constructor() {
        pipe.received = (text) => this.onMessage?.(text);
      }
      async connect() { this.onConnect?.(); }
      async disconnect() {}
      async dispose() {}
      isConnected() { return true; }
      async send(text) { pipe.send(text); }
    };
  const agentOf = (name, pipe, stream, delegate) =>
    new sip.UserAgent({
      uri: sip.UserAgent.makeURI(`sip:${name}@example.invalid`),
      transportConstructor: wire(pipe),
      sessionDescriptionHandlerFactory: sip.Web.defaultSessionDescriptionHandlerFactory(async () => stream),
      sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 500, peerConnectionConfiguration: { iceServers: [] } },
      logLevel: "error",
      delegate,
    });
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  const caller = agentOf("caller", forCaller, callerStream, {});
  const agent = agentOf("agent", forAgent, agentStream, { onInvite: (invitation) => answer(invitation) });
  await caller.start();
  await agent.start();
  const inviter = new sip.Inviter(caller, sip.UserAgent.makeURI("sip:agent@example.invalid"));
  await inviter.invite();
  const invitation = await answered;
  const hold = async (held) => {
    const options = invitation.sessionDescriptionHandlerOptionsReInvite ?? {};
    invitation.sessionDescriptionHandlerOptionsReInvite = { ...options, hold: held };
    await new Promise((resolve, reject) => {
      invitation.invite({ requestDelegate: { onAccept: resolve, onReject: () => reject(new Error("hold was rejected")) } });
    });
  };
  return { session: invitation, answer: () => invitation.accept(), hold, hangUp: () => invitation.bye(), close: async () => {
    await caller.stop();
    await agent.stop();
  } };
}

/** JsSIP, which is CommonJS: its modules are read one by one, as a bundler would. Needs a page without CSP. */
export async function jsSipCall(callerStream, agentStream) {
  const JsSIP = require("/node_modules/jssip/lib/JsSIP.js");
  const [forCaller, forAgent] = pipes();
  const socket = (pipe) => {
    const made = {
      via_transport: "WS",
      url: "ws://example.invalid",
      sip_uri: "sip:example.invalid;transport=ws",
      connect: () => setTimeout(() => made.onconnect()),
      disconnect: () => undefined,
      send: (text) => (pipe.send(text), true),
      isConnected: () => true,
      isConnecting: () => false,
    };
    pipe.received = (text) => made.ondata(text);
    return made;
  };
  const agentOf = (name, pipe) =>
    new JsSIP.UA({ uri: `sip:${name}@example.invalid`, sockets: [socket(pipe)], register: false, session_timers: false });
  const [caller, agent] = [agentOf("caller", forCaller), agentOf("agent", forAgent)];
  const connected = [caller, agent].map((one) => new Promise((resolve) => one.on("connected", resolve)));
  caller.start();
  agent.start();
  await Promise.all(connected);
  const came = new Promise((resolve) => {
    agent.on("newRTCSession", ({ session, originator }) => originator === "remote" && resolve(session));
  });
  const pcConfig = { iceServers: [] };
  // One knows the other by the contact that it registered; here nobody does, so the caller asks for that contact.
  caller.call(agent.contact.uri.toString(), { mediaStream: callerStream, pcConfig });
  const session = await came;
  return {
    session,
    answer: () => session.answer({ mediaStream: agentStream, pcConfig }),
    hold: (held) => new Promise((resolve) => session[held ? "hold" : "unhold"]({}, resolve)),
    hangUp: () => session.terminate(),
    close: async () => [caller, agent].forEach((one) => one.stop()),
  };
}

const modules = new Map();

function read(path) {
  const asked = new XMLHttpRequest();
  asked.open("GET", path, false);
  asked.send();
  return asked.status === 200 ? asked.responseText : null;
}

function find(path) {
  for (const candidate of [path, `${path}.js`, `${path}/index.js`]) {
    const text = /\.(js|json)$/.test(candidate) ? read(candidate) : null;
    if (text !== null) return [candidate, text];
  }
  throw new Error(`no module at ${path}`);
}

function require(wanted, from = "/") {
  let path = wanted.startsWith(".") ? new URL(wanted, `http://x${from}`).pathname : wanted;
  if (!path.startsWith("/")) {
    const folder = `/node_modules/${path}`;
    const { browser, main = "index.js" } = JSON.parse(read(`${folder}/package.json`));
    path = `${folder}/${typeof browser === "string" ? browser : main}`.replace("/./", "/");
  }
  const [file, text] = find(path);
  if (!modules.has(file)) {
    const module = { exports: {} };
    modules.set(file, module);
    if (file.endsWith(".json")) module.exports = JSON.parse(text);
    else new Function("require", "module", "exports", "process", text)((next) => require(next, file), module, module.exports, { env: {} });
  }
  return modules.get(file).exports;
}
