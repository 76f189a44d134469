// Speed of llama.cpp on a GGUF file with a processor alone, through node-llama-cpp.
// usage: node llamacpp.mjs FILE PROMPT ANSWER DEPTH THREADS
// Prints {pp, tg}, tokens a second: a prompt and an answer of so many tokens, both
// behind DEPTH tokens that are there already. A first run warms up.
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [modelPath, ...numbers] = process.argv.slice(2);
const [prompt, answer, depth, threads] = numbers.map(Number);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: threads});
const model = await llama.loadModel({modelPath});
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const tokens = (n) => Array.from({length: n}, () => Math.floor(Math.random() * vocabulary));

async function run(prompt, answer, depth) {
    const context = await model.createContext({contextSize: depth + prompt + answer + 64, batchSize: 512, threads});
    const sequence = context.getSequence();
    const evaluate = async (n) => { if (n > 0) await sequence.evaluateWithoutGeneratingNewTokens(tokens(n)); };
    await evaluate(depth);
    const start = performance.now();
    await evaluate(prompt);
    const middle = performance.now();
    for (let i = 0; i < answer; i++) await evaluate(1);
    const end = performance.now();
    await context.dispose();
    return {pp: prompt / (middle - start) * 1000, tg: answer / (end - middle) * 1000};
}

await run(Math.min(prompt, 64), 4, 0);
console.log(JSON.stringify(await run(prompt, answer, depth)));
process.exit(0);
