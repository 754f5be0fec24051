// The socket to one run: reconnects with growing pauses, and asks for frames by credit so that they do not queue up.

const CREDITS = 2; // frames in flight: one being drawn, one on its way
const MOST = 4; // credits in one message, which is what the server takes
const PAUSES = [300, 700, 1500, 3000, 6000]; // ms between attempts to reconnect
const CLOSE_GONE = 4404;

// Where the run's socket is, derived from the page's own address so that https and a base path carry over.
/** @type {(token: string) => string} */
export function socketAddress(token) {
  const address = new URL(`./live/${encodeURIComponent(token)}`, document.baseURI);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}

export class Connection {
  // `on` has frame(buffer), message(object), state('open' | 'closed' | 'gone').
  /** @param {string} token @param {Hearing} on */
  constructor(token, on) {
    this.token = token;
    this.on = on;
    this.failures = 0;
    this.stopped = false;
    this.visibility = () => this.sayHidden();
    document.addEventListener('visibilitychange', this.visibility);
    this.connect();
  }

  connect() {
    this.owed = CREDITS; // credits that the server does not hold yet
    const socket = new WebSocket(socketAddress(this.token));
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.on.state('open');
      if (document.hidden) this.sayHidden();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') {
        this.on.message(JSON.parse(data));
        return;
      }
      this.failures = 0; // a socket that is turned away opens too, and is told why
      this.owed += 1;
      this.on.frame(data);
    };
    socket.onclose = ({ code }) => this.closed(socket, code);
  }

  closed(socket, code) {
    if (this.stopped || socket !== this.socket) return;
    if (code === CLOSE_GONE) {
      this.stopped = true;
      this.on.state('gone');
      return;
    }
    this.on.state('closed');
    const pause = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), pause);
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** @type {Send} */
  send(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
    return this.open;
  }

  // Says what is on screen, and hands back the credits of the frames that arrived since.
  ask(want, probe) {
    if (!this.open || document.hidden) return false;
    const credit = Math.min(this.owed, MOST);
    this.owed -= credit;
    return this.send({ op: 'view', credit, want, probe });
  }

  sayHidden() {
    this.send({ op: 'hidden', value: document.hidden });
    if (!document.hidden) this.on.state('shown');
  }

  close() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.visibility);
    this.socket.close();
  }
}
