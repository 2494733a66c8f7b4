// Evaluates an expression in a program whose inspector listens: inspector.mjs main|worker EXPRESSION
// What a debugger can do to a running gateway, so that a test needs no hook in it.
const [, , where, expression] = process.argv;
const [target] = await (await fetch('http://127.0.0.1:9229/json/list')).json();
const socket = new WebSocket(target.webSocketDebuggerUrl);
let lastId = 0;
const send = (method, params) => socket.send(JSON.stringify({ id: ++lastId, method, params }));
await new Promise((resolve) => socket.addEventListener('open', resolve));
if (where === 'main') send('Runtime.evaluate', { expression });
else {
  socket.addEventListener('message', ({ data }) => {
    const { method, params } = JSON.parse(data);
    if (method !== 'NodeWorker.attachedToWorker') return;
    const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } });
    send('NodeWorker.sendMessageToWorker', { sessionId: params.sessionId, message });
  });
  send('NodeWorker.enable', { waitForDebuggerOnStart: false });
}
setTimeout(() => process.exit(0), 3000);
