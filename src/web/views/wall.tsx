/** Wall mode: read from across the hall, touched by nobody. */
import type { Hub } from '../hub.ts';
import { Mark, Reading } from '../parts.tsx';
import { byDevice, describeLine, inOrder, stands } from '../plant-state.ts';
import { ageText, plain } from '../shown.ts';

/** Tags of each device that are shown. */
const MOST_TAGS = 4;

/** Alarms and the first values of every device, large. */
export function Wall({ hub }: { readonly hub: Hub }) {
  const standing = inOrder(hub.plant.alarms.values()).filter(stands);
  return (
    <div class="wall">
      <p class="wall-head">
        {hub.plant.status?.gateway} <span>{hub.time.clock(hub.nowMs)}</span>
      </p>
      {standing.length === 0 ? (
        <p class="calm">No alarm stands</p>
      ) : (
        <ul class="alarms">
          {standing.slice(0, 5).map((alarm) => (
            <li class="alarm is-standing" key={alarm.id}>
              <Mark alarm={alarm} /> {plain(alarm.message)}{' '}
              {alarm.sinceMs !== undefined && <span class="note">for {ageText(hub.nowMs - alarm.sinceMs)}</span>}
            </li>
          ))}
        </ul>
      )}
      <div class="cards">
        {[...byDevice(hub.tags)].map(([device, tags]) => (
          <section class="panel card" key={device}>
            <h2>{device}</h2>
            <p class="note">{describeLine(hub.plant.status, device)}</p>
            <ul class="values">
              {tags.slice(0, MOST_TAGS).map((tag) => (
                <li key={tag.tag}>
                  <span>{tag.tag.split('/')[1]}</span>
                  <Reading hub={hub} tag={tag} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
      <a class="quiet" href="#/">
        Leave
      </a>
    </div>
  );
}
