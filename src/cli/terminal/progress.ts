/** Shows how far a long piece of work is. */
import { type CliContext, warn } from './context.ts';
import { formatSpan } from './format.ts';
import { fit } from './screen.ts';

/** How far something is, on standard error. */
interface Progress {
  /** @param done share, 0…1; @param leftMs undefined where nothing is known of it; @param text what is done now */
  show(done: number, leftMs: number | undefined, text: string): void;
  /** Takes the bar away. Idempotent. */
  end(): void;
}

/** A bar is drawn at most this often: calm, and little over a slow line, ms. */
const REDRAW_MS = 200;

/** Without a terminal a line is written for each of these parts. */
const PARTS = 10;

const BAR_CELLS = 20;

/** A bar that is redrawn in place on a terminal; a line for each tenth where there is none. */
export function createProgress(context: CliContext): Progress {
  return context.isErrorTerminal ? bar(context) : lines(context);
}

function bar(context: CliContext): Progress {
  let drawnMs = Number.NEGATIVE_INFINITY;
  let isShown = false;
  return {
    show(done, leftMs, text) {
      const nowMs = context.clock.monoMs();
      if (nowMs < drawnMs + REDRAW_MS) return;
      drawnMs = nowMs;
      const filled = Math.min(BAR_CELLS, Math.round(done * BAR_CELLS));
      const cells = `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)}`;
      const left = leftMs === undefined ? '' : ` ${formatSpan(leftMs)} left`;
      const line = `${cells} ${percent(done)}${left}  ${text}`;
      context.stderr.write(`\r${fit(context, line)}\u001b[K`);
      isShown = true;
    },
    end() {
      if (isShown) context.stderr.write('\r\u001b[K');
      isShown = false;
    },
  };
}

function lines(context: CliContext): Progress {
  let told = 0;
  return {
    show(done, leftMs, text) {
      const part = Math.floor(done * PARTS);
      if (part <= told) return;
      told = part;
      const left = leftMs === undefined ? '' : `, about ${formatSpan(leftMs)} left`;
      warn(context, [`${percent(done)}${left}: ${text}`]);
    },
    end() {},
  };
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}
