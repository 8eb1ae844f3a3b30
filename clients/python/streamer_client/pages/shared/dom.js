// Makes elements. What comes from events goes in as text nodes and attribute values, never as markup: this file, and
// every other here, must never touch innerHTML, insertAdjacentHTML or a style attribute.
const SVG = "http://www.w3.org/2000/svg";
function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes))
        setAttribute(element, name, value);
    for (const child of children)
        if (child)
            element.append(child);
}
/** An HTML element with attributes (`true` is present, `false` and `null` are absent) and children. */
export function el(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    fill(element, attributes, children);
    return element;
}
/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    fill(element, attributes, children);
    return element;
}
/** Set an attribute only where it differs: what is not touched costs no layout. */
export function setAttribute(element, name, value) {
    if (value === null || value === undefined || value === false) {
        if (element.hasAttribute(name))
            element.removeAttribute(name);
        return;
    }
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text)
        element.setAttribute(name, text);
}
/** Set the text only where it differs. */
export function setText(node, text) {
    if (node.textContent !== text)
        node.textContent = text;
}
/** The element of the page with this id; the page is wrong without it. */
export function byId(id) {
    const found = document.getElementById(id);
    if (!found)
        throw new Error(`the page has no element #${id}`);
    return found;
}
/** Run `draw` once before the next picture, however often it is asked for until then. */
export function batched(draw) {
    let waiting = false;
    return () => {
        if (waiting)
            return;
        waiting = true;
        requestAnimationFrame(() => {
            waiting = false;
            draw();
        });
    };
}
