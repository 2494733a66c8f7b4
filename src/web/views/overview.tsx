/** The overview: what needs doing first, then every device at a glance. */
import type { Hub } from '../hub.ts';
import { Mark, Reading, Spark } from '../parts.tsx';
import { byDevice, describeLine, inOrder, stands } from '../plant-state.ts';
import { ageText, bytesText, plain, spanText } from '../shown.ts';

/** Something that wants a person, with what to do about it. */
interface Task {
  readonly what: string;
  readonly why: string | undefined;
  readonly href: string;
}

/** What is wrong with the gateway's own work. */
function tasksOf({ plant, nowMs }: Hub): Task[] {
  const { status } = plant;
  if (!status) return [];
  const { store, channels, uplinks, config } = status;
  const tasks: Task[] = [];
  if (store.trouble) tasks.push({ what: 'The store does not commit', why: store.trouble, href: '#/store' });
  for (const channel of channels) {
    const since = spanText(nowMs - channel.sinceMs);
    if (channel.state === 'waiting' || channel.state === 'stopped')
      tasks.push({ what: `Line ${channel.name} is not connected, for ${since}`, why: channel.reason, href: '#/lines' });
    else
      for (const { name, state, reason, sinceMs } of channel.devices)
        if (state === 'offline' || state === 'degraded') {
          const length = sinceMs === undefined ? '' : `, for ${spanText(nowMs - sinceMs)}`;
          tasks.push({ what: `${name} is ${state}${length}`, why: reason, href: '#/lines' });
        }
  }
  for (const { name, state, reason, sinceMs } of uplinks)
    if (state === 'waiting' || state === 'stopped')
      tasks.push({
        what: `Uplink ${name} is not connected, for ${spanText(nowMs - sinceMs)}`,
        why: reason,
        href: '#/uplinks',
      });
  if (config.pending) tasks.push({ what: 'A configuration is on trial', why: undefined, href: '#/configuration' });
  if (config.onDisk === 'different')
    tasks.push({ what: 'The file on the disk is not the one in force', why: undefined, href: '#/configuration' });
  if (!status.clockKnown)
    tasks.push({ what: 'The time is not known yet', why: 'Readings are marked until it is.', href: '#/store' });
  return tasks;
}

function ToDo({ hub }: { readonly hub: Hub }) {
  const standing = inOrder(hub.plant.alarms.values()).filter(stands);
  const tasks = tasksOf(hub);
  if (standing.length + tasks.length === 0)
    return <p class="calm">{hub.plant.status ? 'Nothing needs doing.' : 'Waiting for the gateway …'}</p>;
  return (
    <ul class="todo">
      {standing.slice(0, 8).map((alarm) => (
        <li key={alarm.id}>
          <a href="#/alarms">
            <Mark alarm={alarm} /> {plain(alarm.message)}
          </a>
          <span class="note">
            {plain(alarm.tag)}
            {alarm.sinceMs === undefined ? '' : `, for ${ageText(hub.nowMs - alarm.sinceMs)}`}
          </span>
        </li>
      ))}
      {standing.length > 8 && (
        <li>
          <a href="#/alarms">{standing.length - 8} more alarms</a>
        </li>
      )}
      {tasks.map(({ what, why, href }) => (
        <li key={what}>
          <a href={href}>{plain(what)}</a>
          {why !== undefined && <span class="note">{plain(why)}</span>}
        </li>
      ))}
    </ul>
  );
}

/** Most tags of a device that the overview shows; the others are a click away. */
const MOST_TAGS = 6;

/** The overview. */
export function Overview({ hub }: { readonly hub: Hub }) {
  const devices = byDevice(hub.tags);
  const { status } = hub.plant;
  return (
    <>
      <section class="panel">
        <h2>What needs doing</h2>
        <ToDo hub={hub} />
      </section>
      <div class="cards">
        {[...devices].map(([device, tags]) => (
          <section class="panel card" key={device}>
            <h2>
              <a href={`#/tags/${device}`}>{device}</a>
            </h2>
            <p class="note">{describeLine(status, device)}</p>
            <ul class="values">
              {tags.slice(0, MOST_TAGS).map((tag) => (
                <li key={tag.tag}>
                  <a href={`#/tag/${tag.tag}`}>{tag.tag.split('/')[1]}</a>
                  <Spark hub={hub} tag={tag.tag} />
                  <Reading hub={hub} tag={tag} />
                </li>
              ))}
            </ul>
            {tags.length > MOST_TAGS && <a href={`#/tags/${device}`}>{tags.length - MOST_TAGS} more</a>}
          </section>
        ))}
      </div>
      {status && (
        <p class="note">
          {status.readingsPerSecond.toFixed(0)} readings a second, {bytesText(status.store.bytes)} stored, running for{' '}
          {spanText(hub.nowMs - status.startedMs)}
        </p>
      )}
    </>
  );
}
