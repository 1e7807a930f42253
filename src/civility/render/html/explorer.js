// The threshold explorer: counts at the places of the sliders, from the numbers in #explorer-data.
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const labels = data.labels;
  const panels = [...document.querySelectorAll(".panel")];
  const sliders = panels.map((panel) => panel.querySelector("input"));
  const places = labels.map((label) => label.start);

  // As civility.render.numbers writes them: a number at a threshold of the report reads the same in both.
  const DASH = "–";
  function fixed(value, digits) {
    if (value === null) return DASH;
    const [whole, part] = Math.abs(value).toFixed(digits).split(".");
    const written = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? "." + part : "");
    return (value < 0 && Number(Math.abs(value).toFixed(digits)) ? "−" : "") + written;
  }
  function signed(value, digits) {
    const written = fixed(value, digits);
    return value === null || written.startsWith("−") ? written : "+" + written;
  }
  const cutPoint = (value) => String(Number(value.toFixed(4)));
  const ratio = (part, whole) => (whole ? part / whole : null);

  function numbersOf(label, place) {
    if (place === label.start) return label.used;
    const right = label.true[place];
    const wrong = label.false[place];
    return {
      precision: ratio(right, right + wrong),
      recall: ratio(right, label.positive),
      f1: label.positive ? ratio(2 * right, label.positive + right + wrong) : null,
      false_positive_rate: ratio(wrong, label.negative),
      flagged_per_1000: ratio(1000 * (right + wrong), label.positive + label.negative),
      review_per_1000: label.review && forReview(label, right + wrong),
    };
  }
  // The review threshold does not move: a threshold below it leaves nothing to review.
  function forReview(label, flagged) {
    return ratio(1000 * Math.max(0, label.review.reach - flagged), label.positive + label.negative);
  }

  function bytes(base64) {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  }
  const any = data.any && { buckets: bytes(data.any.buckets), target: bytes(data.any.any_target), used: data.any.used };

  /** Count comments that a label flags: a score reaches threshold i if its bucket is above i. */
  function numbersOfAny() {
    if (places.every((place, i) => place === labels[i].start)) return any.used;
    const length = any.target.length;
    const counts = [0, 0, 0];
    const known = [0, 0, 0];
    for (let n = 0; n < length; n++) {
      known[any.target[n]]++;
      for (let l = 0; l < places.length; l++)
        if (any.buckets[l * length + n] > places[l]) {
          counts[any.target[n]]++;
          break;
        }
    }
    return {
      precision: ratio(counts[1], counts[0] + counts[1]),
      recall: ratio(counts[1], known[1]),
      flagged_per_1000: ratio(1000 * (counts[0] + counts[1]), known[0] + known[1]),
    };
  }

  function write(part, numbers, used) {
    for (const cell of part.querySelectorAll("[data-stat]")) {
      const key = cell.dataset.stat;
      if (key === "load") writeLoad(cell, numbers.flagged_per_1000, used.flagged_per_1000);
      else if (key === "review_load") writeLoad(cell, numbers.review_per_1000, used.review_per_1000);
      else cell.querySelector(".now").textContent = fixed(numbers[key], data.digits[key]);
    }
  }
  function writeLoad(cell, now, before) {
    const change = now === null || before === null ? null : now - before;
    const share = change && before ? `${signed((100 * change) / before, 0)} %` : "";
    cell.querySelector(".now").textContent = change === 0 ? "none" : signed(change, 1);
    cell.querySelector(".was").textContent = share;
    cell.classList.toggle("more", change > 0);
    cell.classList.toggle("less", change < 0);
  }

  function draw(i) {
    const label = labels[i];
    const place = places[i];
    const numbers = numbersOf(label, place);
    const panel = panels[i];
    const moved = place !== label.start;
    write(panel, numbers, label.used);
    panel.classList.toggle("moved", moved);
    panel.querySelector("output").textContent = cutPoint(label.thresholds[place]);
    panel.querySelector("[data-back]").hidden = !moved;
    const [left, right] = data.plot;
    const across = (at) => left + ((right - left) * at) / Math.max(1, label.thresholds.length - 1);
    const x = across(place);
    if (label.review) {
      const width = Math.max(0, x - across(label.review.place));
      panel.querySelector(".for-review").setAttribute("width", width.toFixed(1));
    }
    panel.querySelector(".here").setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
    sliders[i].setAttribute(
      "aria-valuetext",
      `${cutPoint(label.thresholds[place])}: precision ${fixed(numbers.precision, 3)}, recall ` +
        `${fixed(numbers.recall, 3)}, flagged per 1,000 ${fixed(numbers.flagged_per_1000, 1)}` +
        (label.review ? `, for review per 1,000 ${fixed(numbers.review_per_1000, 1)}` : ""),
    );
  }

  let waiting = false;
  function drawWhole() {
    waiting = false;
    if (any) write(document.getElementById("any"), numbersOfAny(), any.used);
    writePolicy();
  }
  function later() {
    if (!waiting) requestAnimationFrame(drawWhole);
    waiting = true;
  }
  function move(i, place) {
    places[i] = Math.min(labels[i].thresholds.length - 1, Math.max(0, place));
    sliders[i].value = places[i];
    draw(i);
    later();
  }

  // Rounded so that the threshold shown still meets the policy.
  const down = (value, digits) => String(Math.floor(value * 10 ** digits + 1e-9) / 10 ** digits);
  const up = (value, digits) => String(Math.ceil(value * 10 ** digits - 1e-9) / 10 ** digits);
  const leastBound = 0.1;
  function clause(kind, numbers) {
    const flagged = `flagged<=${up(numbers.flagged_per_1000 ?? 0, 1)} per 1000`;
    if (kind === "fpr" && numbers.false_positive_rate !== null) return `fpr<=${up(numbers.false_positive_rate, 5)}`;
    if (kind !== "precision" && kind !== "recall") return flagged;
    // A bound near zero does not limit anything: "precision>=0.008" lets a threshold flood the queue.
    const least = down(numbers[kind] ?? 0, 3);
    return Number(least) >= leastBound ? `${kind}>=${least}` : flagged;
  }
  function policyOf(label, kind, numbers) {
    const first = clause(kind, numbers);
    return label.review ? `bands(${first}, review<=${label.review.budget} per 1000)` : first;
  }
  // As in the policy's grammar: other names, and a label named default, are in double quotes as in JSON.
  const plainName = /^[\p{L}\p{N}_][\p{L}\p{N}_ .\-]*(?<! )$/u;
  function writePolicy() {
    const kind = document.getElementById("policy-by").value;
    const parts = labels.map((label, i) => {
      const plain = plainName.test(label.name) && label.name !== "default";
      const name = plain ? label.name : JSON.stringify(label.name);
      return `${name}: ${policyOf(label, kind, numbersOf(label, places[i]))}`;
    });
    const quoted = "'" + parts.join("; ").replaceAll("'", "'\\''") + "'";
    document.getElementById("policy").textContent = `${data.command} --policy ${quoted}`;
  }

  panels.forEach((panel, i) => {
    sliders[i].disabled = labels[i].thresholds.length < 2;
    sliders[i].addEventListener("input", () => move(i, Number(sliders[i].value)));
    panel.querySelector("[data-back]").addEventListener("click", () => {
      move(i, labels[i].start);
      sliders[i].focus();
    });
    const chart = panel.querySelector(".explorer");
    const follow = (event) => {
      const box = chart.getBoundingClientRect();
      const [left, right, width] = data.plot;
      const share = (((event.clientX - box.left) / box.width) * width - left) / (right - left);
      move(i, Math.round(share * (labels[i].thresholds.length - 1)));
    };
    chart.addEventListener("pointerdown", (event) => {
      chart.setPointerCapture(event.pointerId);
      follow(event);
    });
    chart.addEventListener("pointermove", (event) => {
      if (chart.hasPointerCapture(event.pointerId)) follow(event);
    });
    draw(i);
  });
  const reset = document.getElementById("reset");
  reset.disabled = false;
  reset.addEventListener("click", () => labels.forEach((label, i) => move(i, label.start)));
  document.getElementById("policy-by").addEventListener("change", writePolicy);
  document.getElementById("policy-part").hidden = false;
  drawWhole();
})();
