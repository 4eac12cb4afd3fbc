// The least a Worker can do: the floor of the runtime itself.
export default {
  fetch() {
    return new Response("hello");
  },
};
