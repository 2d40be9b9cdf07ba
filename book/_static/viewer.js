/* Looks into the panels that lib/cluster_tune/viewer.py draws: hover, tap or arrow keys show a text, the legend
   switches classes off, and the same text is marked in every panel. No dependency and no network. What comes from a
   data set only ever becomes text (textContent), never markup. */
(() => {
    "use strict";
    const SVG = "http://www.w3.org/2000/svg";
    const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const HINT = "Point at a dot or tap it; or focus a panel and go from dot to dot with the arrow keys.";

    function make(tag, attributes = {}, text = "") {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        element.textContent = text;
        return element;
    }

    /* A panel's points, in the order of the JSON: one path a class, an absolute M a point. */
    function read(figure) {
        const svg = figure.querySelector("svg");
        const points = [];
        for (const group of svg.querySelectorAll(".projection-class")) {
            const starts = group.firstElementChild.getAttribute("d").matchAll(/M(-?\d+) (-?\d+)/g);
            let index = 0;
            for (const [, x, y] of starts) points.push({ code: group.dataset.code, index: index++, x: +x, y: +y });
        }
        const ring = document.createElementNS(SVG, "circle");
        ring.setAttribute("r", "22");
        ring.setAttribute("class", "projection-ring");
        return { figure, svg, points, ring };
    }

    class Section {
        constructor(element) {
            this.element = element;
            this.facts = JSON.parse(element.querySelector("script").textContent);
            this.panels = [...element.querySelectorAll(".projection-panel")].map(read);
            this.hidden = new Set();
            this.current = null;
            this.about = make("p", { class: "projection-about" }, HINT);
            this.text = make("p", { class: "projection-text", dir: "auto" });
            const readout = make("div", { class: "projection-readout", "aria-live": "polite" });
            readout.append(this.about, this.text);
            element.querySelector(".projection-panels").after(readout);
            this.panels.forEach((panel) => this.listen(panel));
            this.legend(element.querySelector(".projection-legend"));
            this.stages();
        }

        listen(panel) {
            const { svg } = panel;
            svg.setAttribute("tabindex", "0");
            svg.setAttribute("role", "application");
            svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")}. Arrow keys go from text to text.`);
            for (const kind of ["pointermove", "pointerdown"]) {
                svg.addEventListener(kind, (event) => {
                    const frame = svg.getBoundingClientRect();
                    const x = ((event.clientX - frame.left) / frame.width) * 1000;
                    const y = ((event.clientY - frame.top) / frame.height) * 1000;
                    const reach = event.pointerType === "mouse" ? 30 : 90;
                    this.show(this.best(panel, (p) => Math.hypot(p.x - x, p.y - y), reach));
                });
            }
            svg.addEventListener("keydown", (event) => {
                if (event.key === "Escape") this.clear();
                if (!(event.key in ARROWS)) return;
                event.preventDefault();
                this.show(this.current ? this.step(panel, ARROWS[event.key]) : this.middle(panel));
            });
        }

        best(panel, cost, limit = Infinity) {
            let found = null;
            for (const point of panel.points) {
                const value = this.hidden.has(point.code) ? Infinity : cost(point);
                if (value < limit) [found, limit] = [point, value];
            }
            return found;
        }

        middle(panel) {
            return this.best(panel, (p) => Math.hypot(p.x - 500, p.y - 500));
        }

        /* The next point that way; one that lies aside counts as farther. */
        step(panel, [dx, dy]) {
            const here = panel.points.find((p) => this.same(p));
            return this.best(panel, (p) => {
                const along = (p.x - here.x) * dx + (p.y - here.y) * dy;
                const aside = Math.abs((p.x - here.x) * dy) + Math.abs((p.y - here.y) * dx);
                return along > 0 ? along + 2 * aside : Infinity;
            });
        }

        same(point) {
            return this.current && point.code === this.current.code && point.index === this.current.index;
        }

        show(point) {
            if (!point || this.same(point)) return;
            this.current = point;
            for (const panel of this.panels) {
                const { x, y } = panel.points.find((p) => this.same(p));
                panel.ring.setAttribute("cx", x);
                panel.ring.setAttribute("cy", y);
                panel.svg.append(panel.ring);
            }
            const { code, index } = point;
            const { classes, others, clusters, terms, texts } = this.facts;
            const cluster = clusters[code][index];
            const words = terms[cluster] ? `: ${terms[cluster]}` : "";
            this.about.replaceChildren(make("b", { dir: "auto" }, code === "-1" ? others[index] : classes[code]));
            if (cluster >= 0) this.about.append(make("span", {}, ` \u00b7 cluster ${cluster}${words}`));
            this.text.textContent = texts ? texts[code][index] : "";
        }

        clear() {
            this.current = null;
            this.panels.forEach((panel) => panel.ring.remove());
            this.about.textContent = HINT;
            this.text.textContent = "";
        }

        legend(list) {
            this.keys = [...list.children].map((item) => {
                const button = make("button", { type: "button", "aria-pressed": "true" });
                button.append(...item.childNodes);
                button.addEventListener("click", () => this.toggle([item.dataset.code]));
                item.append(button);
                return button;
            });
            const codes = [...list.children].map((item) => item.dataset.code);
            for (const [name, wanted] of [["all", false], ["none", true]]) {
                const item = make("li");
                const button = make("button", { type: "button", class: "projection-every" }, name);
                button.setAttribute("aria-label", `${name} of the classes`);
                button.addEventListener("click", () => {
                    this.toggle(codes.filter((code) => this.hidden.has(code) !== wanted));
                });
                item.append(button);
                list.append(item);
            }
        }

        toggle(codes) {
            for (const code of codes) {
                if (!this.hidden.delete(code)) this.hidden.add(code);
            }
            for (const part of this.element.querySelectorAll(".projection-panels [data-code]")) {
                part.classList.toggle("projection-off", this.hidden.has(part.dataset.code));
            }
            for (const key of this.keys) key.setAttribute("aria-pressed", !this.hidden.has(key.parentNode.dataset.code));
            if (this.current && this.hidden.has(this.current.code)) this.clear();
        }

        /* With more than two panels, the first stays and a choice is made of the others. */
        stages() {
            const [, ...others] = this.panels;
            if (others.length < 2) return;
            const choice = make("div", { class: "projection-stages", role: "group", "aria-label": "right panel" });
            const buttons = others.map(({ figure }) => {
                const button = make("button", { type: "button" }, figure.querySelector("figcaption").textContent);
                button.addEventListener("click", () => pick(figure));
                return button;
            });
            const pick = (chosen) => others.forEach(({ figure }, i) => {
                figure.hidden = figure !== chosen;
                buttons[i].setAttribute("aria-pressed", figure === chosen);
            });
            pick(others[0].figure);
            choice.append(...buttons);
            this.element.querySelector(".projection-panels").before(choice);
        }
    }

    /* With more than one data set, a choice of the one to see. */
    function choose(sections) {
        const label = make("label", { class: "projection-choice" }, "Data set ");
        const select = make("select");
        for (const { element } of sections) {
            select.append(make("option", {}, element.querySelector(".projection-title").textContent));
            element.querySelector(".projection-title").hidden = true;
        }
        const pick = () => sections.forEach(({ element }, i) => (element.hidden = i !== select.selectedIndex));
        select.addEventListener("change", pick);
        label.append(select);
        sections[0].element.before(label);
        pick();
    }

    function start() {
        for (const viewer of document.querySelectorAll(".projections")) {
            const sections = [...viewer.querySelectorAll(".projection")].map((element) => new Section(element));
            if (sections.length > 1) choose(sections);
            viewer.classList.add("projections-live");
        }
    }

    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
})();
