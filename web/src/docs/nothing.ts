/* In place of a chat of the reference's makers, which is turned off and would only be carried along. */
export const Chat = null;
