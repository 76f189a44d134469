// Package chat turns the messages of a conversation into the text that a model goes on
// with, by the Jinja template that comes with the model.
package chat

import "encoding/json"

// Message is one turn of a conversation. Templates see a field as HF's chat templates
// name it; empty ones but for content are not defined to them.
type Message struct {
	Role       string // role: system, user, assistant or tool
	Content    string // content
	Reasoning  string // reasoning_content: what an assistant thought before
	ToolCalls  []ToolCall
	ToolCallID string // tool_call_id: the call that a message of role tool answers
	Name       string // name
}

// ToolCall is a call that an assistant has made: tool_calls, each of type function with
// its id, and name and arguments below function.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage // an object, the order of whose keys is kept
}

// Request is what a template renders.
type Request struct {
	Messages []Message
	Tools    []json.RawMessage // tools: descriptions of functions, as OpenAI's API has them
	Thinking *bool             // enable_thinking; nil: the template decides
	Generate bool              // add_generation_prompt: the assistant's turn is opened
}
