/**
 * Decodes the character references of HTML in Markdown, with the names of HTML 4 and of ASCII
 * punctuation. It replaces the package `entities` in the bundle, whose table of all 2,231 names is larger
 * than the parser of Markdown. A name that is not here stays as it is written. Pure.
 */

/** Names in the order of their code points, each with the distance to the one before unless it is 1. */
const NAMES =
  "Tab 9,NewLine,excl 23,quot,num,dollar,percnt,amp,apos,lpar,rpar,ast,midast 0,plus,comma," +
  "period 2,sol,colon 11,semi,lt,equals,gt,quest,commat,lbrack 27,bsol,rbrack,lowbar 2,grave," +
  "lbrace 27,vert,rbrace,nbsp 35,iexcl,cent,pound,curren,yen,brvbar,sect,uml,copy,ordf,laquo," +
  "not,shy,reg,macr,deg,plusmn,sup2,sup3,acute,micro,para,middot,cedil,sup1,ordm,raquo," +
  "frac14,frac12,half 0,frac34,iquest,Agrave,Aacute,Acirc,Atilde,Auml,Aring,AElig,Ccedil," +
  "Egrave,Eacute,Ecirc,Euml,Igrave,Iacute,Icirc,Iuml,ETH,Ntilde,Ograve,Oacute,Ocirc,Otilde," +
  "Ouml,times,Oslash,Ugrave,Uacute,Ucirc,Uuml,Yacute,THORN,szlig,agrave,aacute,acirc,atilde," +
  "auml,aring,aelig,ccedil,egrave,eacute,ecirc,euml,igrave,iacute,icirc,iuml,eth,ntilde," +
  "ograve,oacute,ocirc,otilde,ouml,divide,oslash,ugrave,uacute,ucirc,uuml,yacute,thorn,yuml," +
  "OElig 83,oelig,Scaron 13,scaron,Yuml 23,fnof 26,circ 308,tilde 22,Alpha 181,Beta,Gamma," +
  "Delta,Epsilon,Zeta,Eta,Theta,Iota,Kappa,Lambda,Mu,Nu,Xi,Omicron,Pi,Rho,Sigma 2,Tau," +
  "Upsilon,Phi,Chi,Psi,Omega,alpha 8,beta,gamma,delta,epsilon,zeta,eta,theta,iota,kappa," +
  "lambda,mu,nu,xi,omicron,pi,rho,sigmaf,sigma,tau,upsilon,phi,chi,psi,omega,thetasym 8," +
  "upsih,piv 4,ensp 7212,emsp,numsp 4,thinsp 2,hairsp,zwnj 2,zwj,lrm,rlm,dash,hyphen 0," +
  "ndash 3,mdash,lsquo 4,rsquo,sbquo,ldquo 2,rdquo,bdquo,dagger 2,Dagger,bull,hellip 4," +
  "permil 10,prime 2,Prime,lsaquo 6,rsaquo,oline 4,frasl 6,euro 104,image 101,copysr 6," +
  "weierp,real 4,trade 6,alefsym 19,larr 91,uarr,rarr,darr,harr,crarr 33,lArr 27,uArr,rArr," +
  "dArr,hArr,forall 44,part 2,exist,empty 2,nabla 2,isin,notin,ni 2,prod 4,sum 2,minus," +
  "lowast 5,radic 3,prop 3,infin,ang 2,and 7,or,cap,cup,int,there4 9,sim 8,cong 9,asymp 3," +
  "ne 24,equiv,le 3,ge,sub 29,sup,nsub,sube 2,supe,oplus 14,otimes 2,perp 14,sdot 32," +
  "lceil 67,rceil,lfloor,rfloor,lang 30,rang,loz 672,starf 59,star,phone 8,spades 82,clubs 3," +
  "hearts 2,diams,check 173,checkmark 0,cross 4";
/** @type {Map<string, string>} */
const BY_NAME = new Map();
let code = 0;
for (const item of NAMES.split(",")) {
  const [name, distance = "1"] = item.split(" ");
  code += Number(distance);
  BY_NAME.set(name, String.fromCodePoint(code));
}

/**
 * Decodes one reference, such as `&amp;`, or all of a text.
 *
 * @param {string} text
 * @returns {string}
 */
export function decodeHTML(text) {
  return text.replace(
    /&(?:#x([\da-f]{1,6})|#(\d{1,7})|([a-z][a-z\d]{1,31}));/gi,
    (whole, hex, decimal, name) => {
      if (name !== undefined) return BY_NAME.get(name) ?? whole;
      const point = hex === undefined ? Number(decimal) : parseInt(hex, 16);
      const isCharacter = point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
      return isCharacter ? String.fromCodePoint(point) : "\ufffd";
    },
  );
}
